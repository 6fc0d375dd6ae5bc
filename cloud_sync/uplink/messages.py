"""What the uplink is told (events) and what it wants done (effects)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cloud_sync.wire.downlink import DIGEST, Kind, Order
from cloud_sync.wire.topics import Up


class Parcel(NamedTuple):
    """What is sent until it is receipted: a batch or an epoch header. digest: SHA-256 of the payload, 32 bytes."""

    digest: bytes
    what: Up
    payload: bytes

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
    """Answers `Fetch`. Empty: there is nothing more until `NewParcels`."""

    parcels: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class Headers:
    """Answers `FetchHeaders` with those that exist."""

    parcels: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class Say:
    """A signed heartbeat, sent now or never."""

    payload: bytes


Event = Tick | LinkUp | LinkDown | Downlink | NewParcels | Fetched | Headers | Say


@dataclass(frozen=True, slots=True)
class Connect:
    """Begin a session with the broker of that place in the list; answered by `LinkUp` or `LinkDown`."""

    session: int
    broker: int


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
    """Wanted: at most `limit` parcels whose digests are not in `skip`."""

    skip: frozenset[bytes]
    limit: int


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
)
