"""The store's buffer: one SQLite file in which an accepted record is kept until headquarters has it.

Purpose. `Buffer.apply` returns after the disk has the transaction; only then is a source told that its record was
taken. Everything that changes goes through one transaction at a time, made by the recorder.

Invariants; each has a test of its name in tests/edge_agent, and the power cuts, kills, failing calls and flipped bits
of tests/faults are run against all of them together:

- *applied means on disk*: after `apply` returned, a crash at any moment finds the whole transaction
- *a transaction is whole*: its records, source state, numbers and epoch header stand or fall together
- *numbers run on*: in each lane numbers are contiguous from 1 through all epochs of the stream, and a number is never
  given twice, whatever a commit's outcome was
- *an epoch's header comes first*: no row stands without its epoch's header, which is kept three times on separate pages
- *a batch never changes*: once cut, its bytes stay; its rows leave the journal in the transaction that brings it
- *a batch leaves on its receipt alone*: or for space, with a tombstone in the same transaction
- *an identity is taken once*: a source event that was accepted is known again, over restarts and salvage
- *a full buffer keeps sales and counts what it refuses*: nothing vital goes for space; what could not be taken is told
- *what hq has goes before anything else*: receipted batches stay as grace until space or a week takes them
- *nothing is readable*: record contents, in rows and batches, are ciphertext; in clear are ids, numbers, types, counts
  and what drivers keep of their sources (cursors, counters, keyed hashes)
- *rot is noticed and named*: a row, batch or header that is not as it was written is never given out as if it were
- *nothing is deleted but what headquarters has*: a file that cannot be used is set aside; what is whole in it goes on
- *a crash while a damaged file is replaced loses nothing*: the fresh file takes the old one's place when it is whole
- *a file of an older release goes on with every record*: one migration a transaction; a newer format is refused
- *one connection alone*: the file is never open twice, so SQLite's WAL-reset fault (`guard`) has nothing to work on
- *an absent medium never holds up accepting*: the mirror follows in a thread of its own, and says how far it lags
- *a mirror put in the place of the buffer does not go on as it*: what is taken over becomes a new stream

Format. `user_version` counts migrations (`schema`), and the words of the tables tell it too. Tables:

    stream          which stream this file is, whose, which one came before it; keys the hashes in `seen`
    lane            next number, first number that is not cut, and a sum that no single flipped bit leaves true
    epoch           ordinal, id, digest of the header, whether HQ has the header. Ordinals above zero are this file's
                    own; those of streams that were taken in stand below (`adoption`)
    header_a/b/c    the signed header of each epoch, three times, in trees of their own
    journal         sealed rows with a checksum; id = lane · 2^56 + number: an identity, and a lane is a range
    outbox          batches by digest: lane, epoch, numbers, age, size, when the receipt came, bytes
    state, seen     what drivers keep; keyed hashes of source identities with the day they were seen on
    fact            counters: the number of the last transaction, what was refused, the highest session

Beside it: `-wal`, the write-ahead log, empty after a clean stop and as large as it was; `-room`, its second name for a
moment then; `.damaged-*`, files set aside; `.fresh`, the file that will take the place of a
damaged one, of no meaning until it does.

Pragmas, and why: `journal_mode=WAL` (one append and one sync a commit), `synchronous=FULL` (the WAL is synced at every
commit; NORMAL loses the last commits at a power cut), `locking_mode=EXCLUSIVE` (nobody else gets in; no shared memory
file), `wal_autocheckpoint=1000` (on this one connection; the log stays near 4 MB), `page_size=4096` (one block of the
disks it stands on), `cache_size=-4096` (4 MB: memory does not grow with the backlog), `cell_size_check=ON` (a page with
a rotten count of cells is damaged, not one with fewer rows), `temp_store=MEMORY` (no temporary files),
`secure_delete=OFF` (what is deleted was ciphertext).

What is lost when.

    kill, power cut         what was not applied, that is, not confirmed to its source
    a damaged page          what stands on it: rows, or the one batch that touches it; named by numbers, told as `loss`
    three damaged headers   everything of that epoch on the box
    a full disk             nothing that was accepted as vital; bulk and normal batches oldest first, each with its
                            tombstone; what a source that cannot wait brings meanwhile is refused and counted
    the disk                everything that has no receipt; with a mirror, what it lags by
    a disk that confirms    what it had not written; with a mirror that is ahead this is noticed, and made good
    what it did not write

After an error of a commit nothing is known: the recorder closes, reopens, reads `View.transaction` and applies the same
transaction again where it is not there.

What it is not: a queue for other processes (one connection, ever), a store for plain records, an archive, a backup of
the keys: the box's key signs what headquarters believes, and is kept elsewhere.
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
