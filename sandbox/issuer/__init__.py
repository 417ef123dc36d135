"""The sandbox's authorization server: discovery, keys, client credentials and a token mint."""
