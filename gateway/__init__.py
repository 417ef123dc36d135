"""The process: edges, settings, and the way of a request."""
