"""What ingest hands to the warehouse, what the warehouse answers, and the port between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Protocol

import msgspec

from cloud_sync.wire.epoch import EpochHeader
from cloud_sync.wire.heartbeat import Answer, Presence
from records import Lane, Record, RecordType

BoxName = tuple[str, str]  # store, box


class WarehouseAway(Exception):
    """The warehouse cannot take work now; try again later. Nothing of the work is known to be stored."""


class Sender(NamedTuple):
    """A registered box, by the topic it wrote to. fingerprint: SHA-256 of its public key."""

    store: str
    box: str
    fingerprint: bytes


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A record of a batch. extra: fields of a later release, by their printed name."""

    kind: RecordType
    record: Record
    extra: Mapping[str, object]


class Aside(NamedTuple):
    """An authentic record that this release cannot read, as it came."""

    kind: RecordType
    reason: str
    raw: bytes


class Batch(NamedTuple):
    """An opened batch. kind: `cloud_sync.wire.batch.Kind`; entries by number, rising, perhaps with gaps."""

    sender: Sender
    digest: bytes
    stream: bytes
    epoch: bytes
    lane: Lane
    first: int
    last: int
    kind: int
    entries: Mapping[int, Opened | Aside]


class Header(NamedTuple):
    """A verified epoch header whose key HQ could open."""

    sender: Sender
    header: EpochHeader

    @property
    def digest(self) -> bytes:
        return sha256(self.header.raw).digest()


class Letter(NamedTuple):
    """A message that will never be stored.

    refused: whether the box is told; sealed: whether it is proven to be the box's own, so that its clear header is true
    """

    sender: Sender
    digest: bytes
    topic: str
    reason: str
    payload: bytes
    refused: bool
    sealed: bool


class Beat(NamedTuple):
    """A verified heartbeat or last will."""

    sender: Sender
    body: Presence


class Reply(NamedTuple):
    """A verified answer to a re-send or an order."""

    sender: Sender
    body: Answer


Part = Header | Batch | Letter | Beat | Reply


class Work(NamedTuple):
    """What one transaction takes. received: HQ's clock, aware UTC."""

    received: datetime
    parts: tuple[Part, ...]

    def headers(self) -> Iterator[Header]:
        return (part for part in self.parts if isinstance(part, Header))

    def batches(self) -> Iterator[Batch]:
        return (part for part in self.parts if isinstance(part, Batch))

    def letters(self) -> Iterator[Letter]:
        return (part for part in self.parts if isinstance(part, Letter))

    def beats(self) -> Iterator[Beat]:
        return (part for part in self.parts if isinstance(part, Beat))

    def replies(self) -> Iterator[Reply]:
        return (part for part in self.parts if isinstance(part, Reply))


class Outcome(NamedTuple):
    """What a committed transaction did.

    stored: records that are new; duplicates: of them, those whose source had brought them before
    set_aside: of them, those that no table can hold
    repeated: headers and batches that had been committed earlier
    unsettled: digests of what could not be committed, though the rest was; they get no answer
    """

    stored: int = 0
    duplicates: int = 0
    set_aside: int = 0
    repeated: int = 0
    unsettled: frozenset[bytes] = frozenset()

    def plus(self, other: Outcome) -> Outcome:
        """Of two transactions together."""
        return Outcome(
            self.stored + other.stored,
            self.duplicates + other.duplicates,
            self.set_aside + other.set_aside,
            self.repeated + other.repeated,
            self.unsettled | other.unsettled,
        )


class Known(NamedTuple):
    """What the warehouse knows of what was asked; None for what it does not know.

    boxes: the Ed25519 public key; epochs: the header's bytes
    """

    boxes: Mapping[BoxName, bytes | None]
    epochs: Mapping[bytes, bytes | None]


class Warehouse(Protocol):
    """Where records end. Raises WarehouseAway from either method."""

    def look_up(self, boxes: Set[BoxName], epochs: Set[bytes]) -> Known:
        """What is known of these; a revoked box is unknown."""

    def commit(self, work: Work) -> Outcome:
        """Stores the work whole, durably, every record once. What it returns is true for ever."""
