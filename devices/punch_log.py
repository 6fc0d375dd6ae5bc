"""Punches of ZKTeco's terminals, whether they are asked for or pushed: the numbers that stand for direction and method.

Sources: ZKTeco's PUSH SDK communication protocol, its TCP protocol as others have described it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2s
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from devices.driver import Item, Reading, Rejected
from records import ClockQuality
from records.types import Punch

Told = Literal["told", "in", "out", "unknown"]
_Direction = Literal["in", "out", "unknown"]
_STATES: Mapping[int, _Direction] = {0: "in", 1: "out", 2: "out", 3: "in", 4: "in", 5: "out"}  # check, break, overtime
_METHODS = {0: "password", 1: "fingerprint", 3: "password", 4: "card", 15: "face", 25: "palm"}


class Logged(NamedTuple):
    """One punch as the terminal keeps it. person: the number it knows the employee by; at: its own local time."""

    person: str
    at: datetime
    state: int
    method: int


class Log(NamedTuple):
    """What all punches of a terminal share. serial: its own number; direction: what its states are taken for."""

    serial: str
    zone: ZoneInfo
    direction: Told

    def reading(self, logged: Logged, state: Mapping[str, bytes | None]) -> Item:
        """The punch. It keeps no bytes, which would name the employee where cleaning cannot see it."""
        direction = _STATES.get(logged.state, "unknown") if self.direction == "told" else self.direction
        try:
            at = logged.at.replace(tzinfo=self.zone).astimezone(UTC)
        except OverflowError:
            return Rejected("a punch with a time that cannot be read", b"", datetime.now(UTC), state)
        punch = Punch(self.source_id(logged), logged.person, direction, _METHODS.get(logged.method))
        return Reading(punch, at, ClockQuality.SOURCE, state=state)

    def source_id(self, logged: Logged) -> str:
        """The same whenever and however the punch is told.

        Of the employee's number it holds 8 bits of a hash: enough for two who punch in one second, too few to name one.
        """
        mark = blake2s(logged.person.encode(), digest_size=1).hexdigest()
        return f"{self.serial or 'zk'}/{logged.at:%Y%m%dT%H%M%S}/{mark}"
