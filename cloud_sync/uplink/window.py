"""What is in flight without a receipt, and when it is sent again.

Never more than `Settings.parcels` and `Settings.bytes`. Some places are kept for headers: HQ cannot open a batch whose
header it lacks, so a window full of such batches must still let the header pass. Of the places of batches the backlog
leaves a share to fresh ones and they leave one to it, so that neither waits for the other to end.
What HQ holds though it was sent again gives its place to others and comes again after a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from random import Random
from typing import NamedTuple

from cloud_sync.uplink.messages import Parcel
from cloud_sync.uplink.settings import Settings
from cloud_sync.uplink.size_limit import LEAST
from cloud_sync.wire.topics import Up

HASTE_S = 2.0
HELD = 3  # sendings that HQ holds; its header has gone again after each
MOST_HELD = 1_024
IGNORED = 4  # sendings without a word of HQ, though each time it settled what went out after
_EPOCH = slice(8, 24)  # of a batch


@dataclass(slots=True)
class _Flight:
    """held: of its sendings, how many HQ holds; held_of: the last of them
    ignored: of its sendings, how many HQ passed over; counted: the last of them

    passed: size of the largest parcel that was settled instead
    """

    parcel: Parcel
    since: float
    sent: float
    due: float
    tries: int = 1
    held: int = 0
    held_of: int = 0
    ignored: int = 0
    counted: int = 0
    passed: int = 0

    @property
    def size(self) -> int:
        return len(self.parcel.payload)

    @property
    def is_batch(self) -> bool:
        return self.parcel.what is Up.BATCH

    def hold(self) -> None:
        """HQ has it and waits to open it."""
        self.held += self.held_of != self.tries
        self.held_of, self.ignored = self.tries, 0

    def overtaken(self, sizes: Sequence[int]) -> None:
        """HQ settled parcels of these sizes that first went out after this one last did."""
        self.passed = max(self.passed, *sizes)
        self.ignored += self.counted != self.tries
        self.counted = self.tries


class _Held(NamedTuple):
    """since: as of its flight; until: when it may go again."""

    digest: bytes
    since: float
    until: float


class Window:
    """Parcels in flight, by the prefix of their digest. Times are monotonic seconds."""

    def __init__(self, settings: Settings, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._flights: dict[bytes, _Flight] = {}
        self._held: dict[bytes, _Held] = {}
        self._ask_at = 0.0
        self.bytes = 0
        self.resends = 0

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, parcel: Parcel) -> bool:
        return parcel.prefix in self._flights

    def digests(self, now: float) -> set[bytes]:
        """Of what shall not be fetched now: in flight, or held."""
        held = {each.digest for each in self._held.values() if each.until > now}
        return held | {flight.parcel.digest for flight in self._flights.values()}

    def room(self, *, fresh: bool) -> int:
        """How many more batches may join, fresh ones or of the backlog."""
        places = self._settings.batch_parcels - len(self)
        return max(0, min(places, self._settings.shared_parcels - len(self._alike(fresh))))

    def fits(self, parcel: Parcel) -> bool:
        size = len(parcel.payload)
        if parcel.what is Up.EPOCH:
            return len(self) < self._settings.parcels and self.bytes + size <= self._settings.bytes
        alike = sum(flight.size for flight in self._alike(parcel.fresh))
        within = self.bytes + size <= self._settings.batch_bytes and alike + size <= self._settings.shared_bytes
        return within and self.room(fresh=parcel.fresh) > 0

    def oldest(self) -> float:
        """When the parcel that waits longest for its receipt first went out; infinity when none does."""
        held = (each.since for each in self._held.values())
        return min(chain((flight.since for flight in self._flights.values()), held), default=inf)

    def sizes(self) -> list[int]:
        """Of the batches in flight."""
        return [flight.size for flight in self._flights.values() if flight.is_batch]

    def ignored(self) -> int | None:
        """The size of the smallest batch that may be too large: what is smaller comes through, and it does not."""
        lost = (flight for flight in self._flights.values() if flight.is_batch and flight.ignored >= IGNORED)
        return min((flight.size for flight in lost if max(flight.passed, LEAST) < flight.size), default=None)

    def _alike(self, fresh: bool) -> list[_Flight]:
        return [flight for flight in self._flights.values() if flight.is_batch and flight.parcel.fresh == fresh]

    def add(self, parcel: Parcel, now: float) -> None:
        """It goes out for the first time, or after it was held."""
        held = self._held.pop(parcel.prefix, None)
        since = held.since if held else now
        self._flights[parcel.prefix] = _Flight(parcel, since, now, now + self._wait(1))
        self.bytes += len(parcel.payload)

    def settle(self, prefixes: Iterable[bytes]) -> list[int]:
        """HQ has spoken of these; unknown ones change nothing. The sizes of the batches among them."""
        for prefix in prefixes:
            self._held.pop(prefix, None)
        gone = [flight for prefix in prefixes if (flight := self._drop(prefix))]
        for flight in self._flights.values():
            if later := [each.size for each in gone if each.since > flight.sent]:
                flight.overtaken(later)
        return [flight.size for flight in gone if flight.is_batch]

    def held(self, epochs: Iterable[bytes], now: float) -> None:
        """HQ has batches of these epochs and waits to open them."""
        named = set(epochs)
        for prefix, flight in list(self._flights.items()):
            if not flight.is_batch or flight.parcel.payload[_EPOCH] not in named:
                continue
            flight.hold()
            if flight.held >= HELD and len(self._held) < MOST_HELD:
                until = now + self._jittered(self._settings.resend_cap_s)
                self._held[prefix] = _Held(flight.parcel.digest, flight.since, until)
                self._drop(prefix)

    def clear(self) -> None:
        """The link broke: the disk has it all, and gives it again."""
        self.resends += len(self)
        self._flights.clear()
        self._held.clear()
        self.bytes = 0

    def forget(self, wrong: Callable[[Parcel], bool]) -> None:
        """Such batches may not go again now: the disk has them."""
        flights = list(self._flights.items())
        for prefix in [prefix for prefix, flight in flights if flight.is_batch and wrong(flight.parcel)]:
            self._drop(prefix)

    def _drop(self, prefix: bytes) -> _Flight | None:
        flight = self._flights.pop(prefix, None)
        self.bytes -= flight.size if flight else 0
        return flight

    def hasten(self, parcel: Parcel, now: float) -> None:
        """HQ asks for it: due now, unless it just went."""
        flight = self._flights[parcel.prefix]
        if now - flight.sent >= HASTE_S:
            flight.due = now

    def due(self, now: float, *, hushed: bool) -> list[Parcel]:
        """What goes out again now, headers first, and none later than a batch, which HQ cannot open without.

        hushed: HQ says nothing, so one parcel asks for all, in turn
        """
        if hushed and now < self._ask_at:
            return []
        late = [flight for flight in self._flights.values() if flight.due <= now]
        if not hushed:
            late += self._needed_by(late)
        late.sort(key=lambda flight: (flight.parcel.what is not Up.EPOCH, flight.tries, flight.size))
        if hushed and late:
            late = [min(late, key=lambda flight: flight.tries)]
            self._ask_at = now + self._jittered(self._settings.resend_cap_s)
        for flight in late:
            flight.tries += 1
            flight.sent = now
            flight.due = now + self._wait(flight.tries)
        self.resends += len(late)
        return [flight.parcel for flight in late]

    def _needed_by(self, late: list[_Flight]) -> list[_Flight]:
        """Headers that are not due yet and have not gone as often as what is."""
        tries = max((flight.tries for flight in late), default=0)
        headers = (flight for flight in self._flights.values() if flight.parcel.what is Up.EPOCH)
        return [flight for flight in headers if flight not in late and flight.tries <= tries]

    def next_due(self, *, hushed: bool) -> float:
        """When `due` has something, infinity when nothing is in flight."""
        first = min((flight.due for flight in self._flights.values()), default=inf)
        return max(first, self._ask_at) if hushed else first

    def _wait(self, tries: int) -> float:
        doublings = min(tries - 1, 30)
        return self._jittered(min(self._settings.resend_cap_s, self._settings.resend_s * 2**doublings))

    def _jittered(self, seconds: float) -> float:
        return float(seconds * self._random.uniform(1.0, 1.5))
