"""The wire contract, stated byte for byte in docs/wire.md: headers, batches, what HQ sends down. No key opens here."""
