"""Taking in what was saved of another buffer file. Its streams keep their numbers, its epochs get ordinals here.

An epoch of this file's own has an ordinal above zero, and each new one the next; those taken in stand below the lowest,
so that none is given twice whenever that happens. Taking in twice takes nothing twice.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from edge_agent.buffer.connection import Connection
from edge_agent.buffer.outbox import HEADER_TABLES
from edge_agent.buffer.packing import pack
from edge_agent.buffer.salvage import Salvaged
from edge_agent.buffer.transaction import Batch, NewEpoch

AT_ONCE = 64
NOBODY = ""  # the device of what the buffer keeps of itself
T = TypeVar("T")


class Taken(NamedTuple):
    """What was not there before."""

    epochs: int
    batches: int


class Adoption:
    """Writes through the buffer's connection, one commit a call."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def all(self, found: Salvaged, now_us: int) -> Taken:
        """Everything that was found, in as many commits as it takes."""
        self.state(found.state, found.seen)
        taken, ordinals = self.epochs(found.epochs.values())
        batches = 0
        for some in pieces(found, now_us):
            batches += self.batches(some, ordinals, found.settled, now_us)
        return Taken(taken, batches)

    def epochs(self, found: Iterable[NewEpoch]) -> tuple[int, dict[int, int]]:
        """How many are new, and the ordinal in this file of each one of the other's."""
        known = dict(self._db.all("SELECT epoch, ordinal FROM epoch"))
        fresh = sorted((new for new in found if new.epoch not in known), key=lambda new: -new.ordinal)
        lowest = min([1, *known.values()])
        here = {new.ordinal: known[new.epoch] for new in found if new.epoch in known}
        here |= {new.ordinal: lowest - 1 - place for place, new in enumerate(fresh)}
        with self._db.transaction() as db:
            for new in fresh:
                ordinal = here[new.ordinal]
                db.execute("INSERT INTO epoch (ordinal, epoch, digest) VALUES (?, ?, ?)", (ordinal, *new[1::2]))
                for table in HEADER_TABLES:
                    db.execute(f"INSERT INTO {table} VALUES (?, ?)", (ordinal, new.header))  # noqa: S608 (our names)
        return len(fresh), here

    def batches(
        self, batches: Iterable[Batch], ordinals: Mapping[int, int], settled: Container[bytes], now_us: int
    ) -> int:
        """How many of them are new. settled: digests of those that HQ has."""
        rows = [
            (*batch[:2], ordinals[batch.epoch], *batch[3:6], len(batch.payload), settled_us, batch.payload)
            for batch in batches
            for settled_us in [now_us if batch.digest in settled else None]
        ]
        with self._db.transaction() as db:
            return db.executemany(
                "INSERT OR IGNORE INTO outbox (digest, lane, epoch, first, last, oldest_us, size, settled_us, payload) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            ).rowcount

    def count(self) -> None:
        """Counts as a transaction, so that a mirror is seen to lack it. Only where no recorder counts itself."""
        with self._db.transaction() as db:
            db.execute("UPDATE fact SET value = value + 1 WHERE name = 'transaction'")

    def state(self, state: Mapping[tuple[str, str], bytes | None], seen: Iterable[tuple[str, bytes, int]]) -> None:
        """What drivers kept; what they keep here already is newer."""
        kept = [
            (device, key, value) for (device, key), value in state.items() if device != NOBODY and value is not None
        ]
        with self._db.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO state VALUES (?, ?, ?)", kept)
            db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", seen)


def pieces(found: Salvaged, now_us: int) -> Iterator[list[Batch]]:
    """What was found as batches, rows packed, so many at once that a commit stays small: what headquarters may not have
    first, vital first, since there may not be room for all."""
    epochs = {ordinal: new.epoch for ordinal, new in found.epochs.items()}
    by_need = sorted(found.batches, key=lambda batch: (batch.digest in found.settled, batch.lane))
    batches = chain(pack(found.rows, epochs, now_us), found._replace(batches=by_need).read())
    while some := list(islice(batches, AT_ONCE)):
        yield some
