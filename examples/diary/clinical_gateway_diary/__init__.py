"""Peak flow diaries in a CSV file, as a source of Clinical Gateway."""
