"""Sales out of a till's own database, by polling it."""
