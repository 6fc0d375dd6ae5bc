"""The store's buffer: one SQLite file in which an accepted record is kept until headquarters has it.

Purpose. `apply` returns after the disk has the transaction; only then is a source told that its record was taken.

Invariants, each with a test of its name in tests/edge_agent/test_buffer.py:

- *applied means on disk*: after `apply` returned, a crash at any moment finds the whole transaction
- *a transaction is whole*: records, source state, numbers and epoch headers of one transaction stand or fall together
- *numbers run on*: in each lane numbers are contiguous from 1 through all epochs of the stream, and a number is never
  given twice
- *an epoch's header comes first*: no row stands without its epoch's header, kept three times on separate pages
- *a batch never changes*: once cut, its bytes stay; its rows leave the journal in the transaction that brings it
- *a batch leaves on its receipt alone*
- *nothing is readable*: record contents, in rows and batches, are ciphertext; in clear are ids, numbers, types, counts
  and what drivers keep of their sources (cursors, counters, keyed hashes)

Format. Tables: `stream` (which stream this file is), `lane` (next number, first number not cut), `epoch` and
`header_a/b/c`, `journal` (sealed rows; id = lane · 2^56 + number, so that an id is an identity and a lane is a range),
`outbox` (batches), `state` (what drivers keep), `seen` (keyed hashes of source identities), `fact` (counters).

Pragmas, and why: `journal_mode=WAL` (one append and one sync a commit), `synchronous=FULL` (the WAL is synced at every
commit; NORMAL loses the last commits at a power cut), `locking_mode=EXCLUSIVE` (one process, no shared memory file),
`wal_autocheckpoint` on this one connection (two connections meet the WAL-reset fault of SQLite before 3.51.3),
`temp_store=MEMORY` (no temporary files), `secure_delete=OFF` (what is deleted was ciphertext).

What is lost when. At a kill or power cut: what was not yet applied, that is, not yet confirmed to its source. At a
damaged page: what stands on it. At an error of a commit nothing is known: the recorder closes, reopens, reads
`View.transaction` and applies the same transaction again where it is not there.

What it is not: a queue for other processes (one connection, ever), a store for plain records, an archive.
"""

from edge_agent.buffer.connection import BufferDamaged, BufferError
from edge_agent.buffer.store import Buffer, View
from edge_agent.buffer.transaction import Batch, JournalRow, NewEpoch, Transaction

__all__ = [
    "Batch",
    "Buffer",
    "BufferDamaged",
    "BufferError",
    "JournalRow",
    "NewEpoch",
    "Transaction",
    "View",
]
