"""Runs prepared documents."""
