"""What each kind of rule makes of what a device brings. Pure: data and the time come in, a sign goes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from edge_agent.clock import Now
from records import ClockQuality, Record
from records.types import (
    DeviceHealth,
    DoorCount,
    PosReceipt,
    PosReturn,
    PosSale,
    PosVoid,
    Punch,
    Quarantine,
    TempAmbient,
    TempCheck,
)

TICKETS = (PosSale, PosReturn, PosVoid, PosReceipt)
WITH_CLOCK = (Punch, DoorCount, TempCheck)
NO_SPEECH = (DeviceHealth, Quarantine)
FRESH_S = 3600.0  # a thermometer without readings for so long repeats nothing: it is quiet


class Sign(Enum):
    """What a record says of a device."""

    WELL = "well"
    ILL = "ill"
    NOTHING = "nothing"


class Judge(Protocol):
    """One kind of rule for one subject.

    keeps: what has added up is kept over closed hours and restarts
    reason: in words, for whom it may concern
    """

    keeps: bool
    reason: str

    def hear(self, record: Record, now: Now, /) -> Sign: ...

    def counts(self, now: Now, is_open: bool, /) -> bool:
        """Whether time that passes now is the subject's silence."""
        ...

    def proven(self) -> bool:
        """Whether what else a rule asks for, beside time, is there."""
        ...

    def rest(self) -> None:
        """Begins anew: the store has closed, a sign of health came, or the clock was set."""
        ...


@dataclass
class Quiet:
    """Nothing of `kinds` comes; of () it is any reading."""

    reason: str
    kinds: tuple[type, ...]
    keeps: bool

    def hear(self, record: Record, _now: Now) -> Sign:
        spoke = isinstance(record.data, self.kinds) if self.kinds else not isinstance(record.data, NO_SPEECH)
        return Sign.WELL if spoke else Sign.NOTHING

    def counts(self, _now: Now, is_open: bool) -> bool:
        return is_open

    def proven(self) -> bool:
        return True

    def rest(self) -> None:
        """Has nothing to forget."""


@dataclass
class Zero:
    """Nobody is counted while at least `tickets` come. sold: so far."""

    reason: str
    tickets: int
    sold: int = 0
    keeps: bool = False

    def hear(self, record: Record, _now: Now) -> Sign:
        data = record.data
        return Sign.WELL if isinstance(data, DoorCount) and data.in_ + data.out > 0 else Sign.NOTHING

    def counts(self, _now: Now, is_open: bool) -> bool:
        return is_open

    def proven(self) -> bool:
        return self.sold >= self.tickets

    def rest(self) -> None:
        self.sold = 0


@dataclass
class Stuck:
    """One probe repeats one value. heard: on the monotonic clock, when it last did."""

    reason: str
    probe: str | None
    value: float | None = None
    heard: float | None = None
    keeps: bool = True

    def hear(self, record: Record, now: Now) -> Sign:
        data = record.data
        if not isinstance(data, TempAmbient) or data.celsius is None or data.probe != self.probe:
            return Sign.NOTHING
        before, self.value = self.value, data.celsius
        if before == data.celsius:
            self.heard = now.mono
            return Sign.ILL
        return Sign.NOTHING if before is None else Sign.WELL

    def counts(self, now: Now, _is_open: bool) -> bool:
        return self.heard is not None and now.mono - self.heard <= FRESH_S

    def proven(self) -> bool:
        return self.heard is not None

    def rest(self) -> None:
        self.heard = None


@dataclass
class Off:
    """The device's own clock is off by more than `by_s`; right again within half of it. ill: so it was, last."""

    reason: str
    by_s: float
    ill: bool = False
    keeps: bool = True

    def hear(self, record: Record, now: Now) -> Sign:
        """Only a box that knows the time can say whose clock is wrong."""
        told_by_device = record.clock is ClockQuality.SOURCE and isinstance(record.data, WITH_CLOCK)
        if not told_by_device or now.quality is not ClockQuality.SYNCED:
            return Sign.NOTHING
        off_s = abs((now.wall - record.at).total_seconds())
        if off_s <= self.by_s / 2:
            return Sign.WELL
        if off_s > self.by_s:
            self.ill = True
            return Sign.ILL
        return Sign.NOTHING

    def counts(self, _now: Now, _is_open: bool) -> bool:
        return self.ill

    def proven(self) -> bool:
        return self.ill

    def rest(self) -> None:
        self.ill = False
