"""Totals that only rise, told as increase.

A total that fell was reset, and what it shows was counted since; or it ran over its width, which is taken for true
only where it was close below the width and is close above 0 (a sixteenth of the width). The first total ever seen says
only from where: it counts nobody.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from records.types import DoorCount

BITS_16 = 1 << 16
BITS_32 = 1 << 32
_OLDEST, _NEWEST = 1970, 9998
AHEAD = timedelta(days=1)
"""A time further ahead of the box's clock than that was a counter's clock gone wrong."""
_PATIENCE = timedelta(hours=1)


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """A counter's totals, and when it showed them."""

    in_: int
    out: int
    at: datetime


class Rise(NamedTuple):
    """How many came since; `reset`: the totals began again at 0 in between."""

    in_: int
    out: int
    reset: bool = False


def utc(time: datetime, zone: ZoneInfo) -> datetime:
    """The instant that a counter told, in `zone` where it told no offset; `ValueError` outside of 1970 to 9998."""
    if not _OLDEST <= time.year <= _NEWEST:
        raise ValueError("its year is no year of a counter")
    return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)


def rise(before: Seen, now: Seen, width: int) -> Rise:
    """From one sight to the next. width: the total after which the counter is at 0 again; 0 where it has none."""
    in_, out = _step(before.in_, now.in_, width), _step(before.out, now.out, width)
    if in_ is None or out is None:
        return Rise(now.in_, now.out, reset=True)
    return Rise(in_, out)


def daily_rise(before: Seen, now: Seen, zone: ZoneInfo) -> Rise:
    """The same of totals that the device clears at its midnight; another day is a reset however high they stand."""
    if before.at.astimezone(zone).date() != now.at.astimezone(zone).date():
        return Rise(now.in_, now.out, reset=True)
    return rise(before, now, 0)


def first_sight(now: Seen, line: str | None) -> DoorCount:
    """Where counting begins; who came before is not known."""
    return DoorCount(0, 0, None, now.at, line, gap=True)


def told(before: Seen, now: Seen, risen: Rise, line: str | None, *, gap: bool = False) -> DoorCount:
    """The record. Where the device's clock was set back in between, `from` is not known."""
    begin = before.at if before.at <= now.at else None
    return DoorCount(risen.in_, risen.out, begin, now.at, line, resumed=risen.reset, gap=gap)


def _step(before: int, now: int, width: int) -> int | None:
    if now >= before:
        return now - before
    over = now + width - before
    near = width // 16
    return over if 0 <= over < near and now < near else None


class Order:
    """Tells what was said before and only arrives late from a clock that was set back.

    A total older than the last is late, and the last has told more. Where nothing but older ones came for an hour, or
    the last was far ahead of the box's clock, it is the counter's clock that went back.
    """

    def __init__(self) -> None:
        self._since: dict[str, datetime] = {}  # when the older ones of a counter began to arrive

    def is_late(self, key: str, time: datetime, last: datetime, at: datetime) -> bool:
        """Whether to drop the counter `key`'s total of `time`, arrived `at`."""
        if time < last <= at + AHEAD and at - self._since.setdefault(key, at) < _PATIENCE:
            return True
        self._since.pop(key, None)
        return False
