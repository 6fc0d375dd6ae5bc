"""Sales that a till exports as JSON, dropped into a folder."""
