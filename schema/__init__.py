"""The GraphQL shape: what clients can ask."""
