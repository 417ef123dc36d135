"""How much a client may ask for: budgets by cost, shared by replicas; and how often a source may be asked."""
