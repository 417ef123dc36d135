"""Documents that are asked for by an id: registered by clients, or handed in and trusted."""
