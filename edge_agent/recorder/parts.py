"""What the recorder's core keeps: epochs whose keys are held, and what the next transaction will hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cloud_sync.seal.epoch_key import EpochKey
from edge_agent.buffer.transaction import Batch, JournalRow, NewEpoch
from records import Lane


class InFlight(NamedTuple):
    """What is not known to be on disk: rows with their seal and numbers, state and identities, and the tickets that
    wait for them. stream: whose they are; epochs: the headers of all epochs whose keys are held; next: the next number
    of each lane; facts: counters to keep
    """

    stream: bytes | None

    epochs: list[NewEpoch]
    rows: list[JournalRow]
    state: dict[tuple[str, str], bytes | None]
    seen: list[tuple[str, bytes, int]]
    tickets: list[object]
    next: dict[Lane, int]
    facts: dict[str, int]


@dataclass
class OpenEpoch:
    """An epoch whose key is held.

    first: the next number of each lane when it opened; last: the highest it gave
    until: when the key is dropped, cut or not; None while it is the current one
    """

    header: NewEpoch
    key: EpochKey
    opened: float
    first: dict[Lane, int]
    seals: int = 0
    last: dict[Lane, int] = field(default_factory=dict)
    until: float | None = None


@dataclass
class Pending:
    """What the next transaction will hold."""

    rows: list[JournalRow] = field(default_factory=list)
    next: dict[Lane, int] = field(default_factory=dict)
    state: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    identities: dict[tuple[str, bytes], int] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    settled: list[tuple[bytes, int]] = field(default_factory=list)
    evicted: list[bytes] = field(default_factory=list)
    again: list[bytes] = field(default_factory=list)
    dropped: list[tuple[Lane, int, int]] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)
    tickets: list[object] = field(default_factory=list)

    def __bool__(self) -> bool:
        batches = self.batches, self.settled, self.evicted, self.again, self.dropped
        return any((self.rows, self.state, *batches, self.facts, self.tickets))
