"""How fields are answered: fetching and joining."""
