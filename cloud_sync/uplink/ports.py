"""What the uplink needs from outside: a clock, a link, the store's disk, and the agent."""

from __future__ import annotations

from typing import Protocol

from cloud_sync.uplink.messages import Carried, Fetch, Fetched, Parcel, TimeOfDay
from cloud_sync.wire.downlink import Kind, Order
from cloud_sync.wire.topics import Up


class Clock(Protocol):
    """monotonic: seconds; wall_us: microseconds since the Unix epoch; time_of_day: in the store's zone."""

    def monotonic(self) -> float: ...

    def wall_us(self) -> int: ...

    def time_of_day(self) -> TimeOfDay: ...


class Link(Protocol):
    """A way to the broker. What happens comes as events."""

    def connect(self, session: int, way: int) -> None:
        """Begins a session without waiting for it; `LinkUp` or `LinkDown` follows."""

    def publish(self, what: Up, payload: bytes) -> None:
        """Hands over at QoS 1 without waiting; where that fails, it is as if the network had lost it."""

    def carried(self) -> Carried | None:
        """What the session's connection has carried so far; None while there is none."""

    def close(self) -> None:
        """Ends the session if there is one, after a second at most; nothing follows."""


class Outbox(Protocol):
    """The parcels on the store's disk. Every call waits for the thread that owns the disk."""

    def fetch(self, wanted: Fetch) -> Fetched:
        """What is wanted, as far as it is there."""

    def headers(self, epochs: list[bytes]) -> list[Parcel]:
        """The headers of these epochs that exist, receipted or not."""

    def receipted(self, prefixes: tuple[bytes, ...]) -> None:
        """HQ has committed them. Prefixes that are not of this disk are ignored."""

    def refused(self, prefixes: tuple[bytes, ...], why: str) -> None:
        """HQ will never store them. Prefixes that are not of this disk are ignored."""


class Agent(Protocol):
    """Who obeys HQ. Every message was proven to be HQ's; one may come again and again."""

    def remember_lowest(self, serial: int) -> None:
        """Keep it durably: `Pin.lowest` of the next start."""

    def remember_root(self, key: bytes) -> None:
        """Keep it durably: `Pin.root` of the next start, 32 bytes."""

    def remember(self, name: str, value: int) -> None:
        """Keep it durably: in `Settings.facts` of the next start."""

    def restart(self, why: str) -> None:
        """The process shall be begun anew, once it has taken leave in order."""

    def resend_wanted(self, ranges: tuple[tuple[bytes, bytes, int, int, int], ...]) -> None:
        """HQ misses these numbers: (stream, epoch, lane, first, last)."""

    def ordered(self, kind: Kind, order: Order) -> None:
        """A command or a configuration, to be obeyed only where (generation, counter) rises."""
