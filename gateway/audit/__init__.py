"""The disclosure record: one line for each request, whatever becomes of it."""
