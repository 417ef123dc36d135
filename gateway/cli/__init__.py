"""The commands: one file each, found by the table in main.py."""
