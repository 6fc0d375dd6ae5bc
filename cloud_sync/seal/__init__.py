"""Sealing: the epoch's key to HQ's recipients, rows and batches with keys derived from it."""
