"""One rule on one subject: how silence adds up, when an alert opens, when it closes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec

from config.silence import Level
from edge_agent.clock import Now
from edge_agent.silence.judges import Judge, Sign, Stuck
from records import Record
from records.types import Alert, DeviceHealth

SAVE_S = 300.0
SETTLE_S = 300.0  # after a start a device has so long to say something, whatever had added up before


class Say(NamedTuple):
    """An alert to record, with the state that commits with it."""

    device: str
    alert: Alert
    key: str
    kept: bytes | None


class Health(NamedTuple):
    """A device's state, `silent` or `up`, as far as silence is concerned."""

    device: str
    health: DeviceHealth


class Keep(NamedTuple):
    """State to commit by itself; None forgets."""

    key: str
    kept: bytes | None


Effect = Say | Health | Keep


class Kept(msgspec.Struct, frozen=True):
    """A watch as the buffer keeps it. seconds: of silence; value: that a thermometer repeats."""

    level: Level
    opened: datetime | None = None
    seconds: float = 0.0
    value: float | None = None


@dataclass
class Watch:
    """part: of the device, such as a probe; seconds: of silence so far; saved: of these, what the buffer knows.

    always: for this rule the store never closes; counts: whether the last look found that time adds up
    """

    rule: str
    level: Level
    device: str
    part: str | None
    after_s: float
    judge: Judge
    always: bool = False
    seconds: float = 0.0
    saved: float = 0.0
    opened: datetime | None = None
    counts: bool = False

    @property
    def subject(self) -> str:
        return self.device if self.part is None else f"{self.device}/{self.part}"

    @property
    def key(self) -> str:
        return f"{self.rule}/{self.subject}"

    def restore(self, kept: Kept) -> None:
        """Goes on where the buffer says; never so far that it opens at once."""
        self.opened, self.saved = kept.opened, kept.seconds
        self.seconds = max(0.0, min(kept.seconds, self.after_s - SETTLE_S))
        if isinstance(self.judge, Stuck):
            self.judge.value = kept.value

    def hear(self, record: Record, now: Now) -> list[Effect]:
        if self.judge.hear(record, now) is not Sign.WELL:
            return []
        opened, kept = self.opened, self.saved > 0
        self.begin_anew()
        self.opened, self.saved = None, 0.0
        if opened is not None:
            return [Say(self.device, self._alert(opened, now.wall), self.key, None)]
        return [Keep(self.key, None)] if kept else []

    def begin_anew(self) -> None:
        self.seconds = 0.0
        self.judge.rest()

    def pass_time(self, seconds: float, now: Now, store_open: bool) -> list[Effect]:
        """Opens when enough silence has added up."""
        if self.opened is not None:
            return []
        is_open = store_open or self.always
        counted, self.counts = self.counts, self.judge.counts(now, is_open)
        if self.counts:
            self.seconds += seconds if counted else 0.0
            if is_open and self.seconds >= self.after_s and self.judge.proven():
                return self._open(now)
        elif not self.judge.keeps:
            self.begin_anew()
        if self.judge.keeps and self.seconds - self.saved >= SAVE_S:
            self.saved = self.seconds
            return [Keep(self.key, self._kept())]
        return []

    def _open(self, now: Now) -> list[Effect]:
        self.opened, self.saved = now.wall, self.seconds
        return [Say(self.device, self._alert(now.wall, None), self.key, self._kept())]

    def _kept(self) -> bytes:
        value = self.judge.value if isinstance(self.judge, Stuck) else None
        return msgspec.json.encode(Kept(self.level, self.opened, self.seconds, value))

    def _alert(self, opened: datetime, closed: datetime | None) -> Alert:
        return Alert(self.rule, self.level, self.subject, opened, closed)
