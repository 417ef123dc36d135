"""A source that gives one Bundle for each patient and knows no search."""
