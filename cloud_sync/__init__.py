"""The link between a store and headquarters: wire contract, sealing, the store's uplink, HQ's ingest."""
