"""When a temperature that has left its limits is an excursion. Pure: readings in, state out; no clock, no device.

A reading outside of the limits begins the count, and one back inside of them ends it. Once the temperature has been
outside for `after`, it is an excursion, which ends only when it is back inside by `hysteresis_c`. What lies between two
readings is taken to be as they are: a gap with both its ends outside counts as outside.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

Side = Literal["high", "low"]


class Limits(NamedTuple):
    """Temperatures in °C that are still right; None is no limit."""

    min_c: float | None
    max_c: float | None
    after: timedelta
    hysteresis_c: float


class Outside(NamedTuple):
    """Beyond a limit since then. `excursion`: for long enough."""

    side: Side
    since: datetime
    excursion: bool = False


def outside(before: Outside | None, celsius: float, at: datetime, limits: Limits) -> Outside | None:
    """What a reading makes of it; None is inside."""
    if before and before.excursion and not _recovered(before.side, celsius, limits):
        return before
    side = _beyond(celsius, limits)
    if side is None:
        return None
    since = min(before.since, at) if before and before.side == side else at  # a clock that stepped back restarts it
    return Outside(side, since, at - since >= limits.after)


def _beyond(celsius: float, limits: Limits) -> Side | None:
    if limits.max_c is not None and celsius > limits.max_c:
        return "high"
    return "low" if limits.min_c is not None and celsius < limits.min_c else None


def _recovered(side: Side, celsius: float, limits: Limits) -> bool:
    """Whether an excursion is over. One whose limit is no longer configured is."""
    if side == "high":
        return limits.max_c is None or celsius <= limits.max_c - limits.hysteresis_c
    return limits.min_c is None or celsius >= limits.min_c + limits.hysteresis_c
