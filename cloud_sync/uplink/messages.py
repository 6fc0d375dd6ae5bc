"""What the uplink is told (events) and what it wants done (effects)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cloud_sync.wire.downlink import DIGEST, Kind, Order
from cloud_sync.wire.topics import Up
from records import Lane


class Parcel(NamedTuple):
    """What is sent until it is receipted: a batch or an epoch header.

    digest: SHA-256 of the payload, 32 bytes; lane: of the batch, vital for a header
    fresh: whether the batch was cut in this session, and is no part of the backlog that it found
    """

    digest: bytes
    what: Up
    payload: bytes
    lane: Lane = Lane.VITAL
    fresh: bool = False

    @property
    def prefix(self) -> bytes:
        """Its name in a receipt."""
        return self.digest[:DIGEST]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The broker took the session and HQ can be heard on it."""

    session: int


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The session ended or never began. why: for people."""

    session: int
    why: str


@dataclass(frozen=True, slots=True)
class Downlink:
    """An envelope as it arrived. wall_us: the box's clock then, microseconds since the Unix epoch."""

    raw: bytes
    wall_us: int


@dataclass(frozen=True, slots=True)
class NewParcels:
    """The disk holds parcels that it did not hold before."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """Answers `Fetch`. Empty: there is nothing more until `NewParcels`. newest: the last batch on the disk."""

    parcels: tuple[Parcel, ...]
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Headers:
    """Answers `FetchHeaders` with those that exist."""

    parcels: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class Say:
    """A signed heartbeat, sent now or never."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A signed answer to what HQ asked, sent now or never: HQ asks again."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Carried:
    """What the session's connection has carried so far, in bytes with everything around it, sent again or not."""

    session: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """The store's wall clock. month: counts months; minute: of the day, 0 to 1439."""

    month: int
    minute: int


Event = Tick | LinkUp | LinkDown | Downlink | NewParcels | Fetched | Headers | Say | Reply | Carried | TimeOfDay


@dataclass(frozen=True, slots=True)
class Connect:
    """Begin a session with the broker at that place of `Settings.ways`; answered by `LinkUp` or `LinkDown`."""

    session: int
    way: int


@dataclass(frozen=True, slots=True)
class ResetSession:
    """End the session; no answer is awaited. why: for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Hand to the broker, QoS 1."""

    what: Up
    payload: bytes


@dataclass(frozen=True, slots=True)
class Fetch:
    """Wanted: what has no receipt, whose digests are not in `skip`; of batches those whose lane is in `lanes` and that
    have at most `most` bytes.

    Headers first, then at most `fresh` batches after the one numbered `since`, the vital lane and then the newest
    first, then at most `backlog` others, the vital lane and then the oldest first. since: None where all is backlog.
    """

    skip: frozenset[bytes]
    fresh: int
    backlog: int
    since: int | None
    lanes: frozenset[Lane]
    most: int


@dataclass(frozen=True, slots=True)
class FetchHeaders:
    """Wanted: the headers of these epochs, receipted or not."""

    epochs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipted:
    """HQ has committed the parcels whose digests begin so, if they are ours. 16 bytes each."""

    prefixes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """HQ will never store the parcels whose digests begin so, if they are ours."""

    prefixes: tuple[bytes, ...]
    why: str


@dataclass(frozen=True, slots=True)
class ResendWanted:
    """HQ misses these numbers: (stream, epoch, lane, first, last)."""

    ranges: tuple[tuple[bytes, bytes, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A command or a configuration; whether its place in HQ's order is new is the agent's to check."""

    kind: Kind
    order: Order


@dataclass(frozen=True, slots=True)
class RememberLowest:
    """Keep for the next start: no key of HQ with a lower serial is believed any more."""

    serial: int


@dataclass(frozen=True, slots=True)
class RememberRoot:
    """Keep for the next start: HQ's root is this Ed25519 key now, 32 bytes."""

    key: bytes


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep for the next start: a number by its name."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Restart:
    """No broker has answered for so long that the process itself may be at fault. why: for people."""

    why: str


Effect = (
    Connect
    | ResetSession
    | Publish
    | Fetch
    | FetchHeaders
    | Receipted
    | Refused
    | ResendWanted
    | Ordered
    | RememberLowest
    | RememberRoot
    | Remember
    | Restart
)
