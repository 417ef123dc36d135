"""The sources: one Protocol, one file per kind, one registry."""
