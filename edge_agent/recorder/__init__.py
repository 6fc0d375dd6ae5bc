"""Accepting: numbers, seals and commits records, cuts batches, and keeps the epochs' keys. The only way to the disk."""
