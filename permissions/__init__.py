"""Who may see what: scopes, principals, policy. No I/O."""
