"""What an operation may cost, known before it runs, and what it has cost (docs/cost.md)."""
