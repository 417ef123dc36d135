"""What the gateway costs: processor time to start, and for each request of the reference queries."""
