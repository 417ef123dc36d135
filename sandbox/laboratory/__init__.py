"""A laboratory's API in the documented shape of Junction: results by order, an API key, no list of orders."""
