"""Where requests and replicas share what they remember: one kind per file."""
