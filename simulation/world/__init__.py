"""The deterministic world: the product's own cores on simulated time, network and broker, all from one seed.

Real are recorder (with its shell), buffer on SQLite, uplink (with its loop), ingest, the warehouse in memory (which
passes PostgreSQL's suite), completeness, AES-GCM and every signature. Simulated are clocks, threads, devices, network,
broker and HPKE. For some seconds faults of every kind befall two stores (`plan`, `faults`); then they end, and the
world goes on until nothing waits. One store's disk is never taken away or copied; there every record is counted by what
its source calls it. The other one's goes back to an old image and may get a twin.

What is checked, while it runs and at rest (`books`, `audit`):

- nothing is lost: every number that was on a disk which is still there is at HQ, or named by a tombstone
- nothing stands twice, nothing is invented, and stored is what was accepted, byte for byte
- what a source was told is kept is at HQ once under its own name, or named lost, or counted as refused
- once faults have ended no batch waits for ever, what HQ misses comes or is explained, and time never stands still
- whatever HQ calls complete is complete
- receipts and the broker's acknowledgements follow the commit; what a store cut is never refused
- numbers run on, a batch never changes, a key is held until its rows are cut, an epoch ends in time
- no nonce comes twice under a key

The same seed gives the same trace hash. A seed that breaks a promise says how to see it again.
"""
