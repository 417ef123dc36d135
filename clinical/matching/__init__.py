"""How a recorded value answers a search value, one file for each kind of search parameter."""
