"""Sales that a till exports as delimited text, dropped into a folder."""
