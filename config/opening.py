"""When a store is open: hours of the week, several spans a day, over midnight, and exceptions by date.

A span belongs to the day on which it begins, also where it ends after midnight. Pure: the time comes in as a parameter.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from config.fields import Settings

_DAY = 24 * 60
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24:00))")
_CLOSED = "closed"


class Span(NamedTuple):
    """Minutes after a day's midnight, on the wall clock; `closes` over 1440 is on the day after."""

    opens: int
    closes: int


def span(text: str) -> Span:
    """The span that `08:00-22:00` says; `ValueError` with what it must look like."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError("must be local times such as 08:00-22:00; 18:00-02:00 ends after midnight, 00:00-24:00 never")
    hour, minute, until, past, midnight = found.groups()
    opens = int(hour) * 60 + int(minute)
    closes = _DAY if midnight else int(until) * 60 + int(past)
    if opens == closes:
        raise ValueError("ends as it begins; 00:00-24:00 is open all day, an empty list is closed")
    return Span(opens, closes if closes > opens else closes + _DAY)


def _checked(text: str) -> str:
    span(text)
    return text


def _listed(told: object) -> object:
    """One span may stand without a list, and a day off may be called by its name."""
    if told == _CLOSED:
        return ()
    return (told,) if isinstance(told, str) else told


def _apart(texts: tuple[str, ...]) -> tuple[str, ...]:
    for (before, one), (after, other) in pairwise(sorted((span(text), text) for text in texts)):
        if after.opens < before.closes:
            raise ValueError(f"{one} and {other} overlap; make one span of them")
    return texts


Hours = Annotated[
    tuple[Annotated[str, AfterValidator(_checked)], ...],
    BeforeValidator(_listed),
    AfterValidator(_apart),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]
_Weekday = Hours | None


def _weekday(name: str) -> _Weekday:
    hours: _Weekday = Field(None, description=f"hours of {name}s")
    return hours


class OpeningHours(Settings):
    """Local times of the store's zone: `08:00-22:00`, a list of such spans, or `closed`."""

    daily: Hours = Field(
        default=("09:00-21:00",), description="hours of every day that is not named; a span or a list of them"
    )
    monday: _Weekday = _weekday("Monday")
    tuesday: _Weekday = _weekday("Tuesday")
    wednesday: _Weekday = _weekday("Wednesday")
    thursday: _Weekday = _weekday("Thursday")
    friday: _Weekday = _weekday("Friday")
    saturday: _Weekday = _weekday("Saturday")
    sunday: _Weekday = _weekday("Sunday")
    exceptions: dict[date, Hours] = Field(
        default={}, description="hours of single dates such as 2027-02-17, instead of the week's; `closed` on holidays"
    )

    def hours(self, day: date) -> tuple[Span, ...]:
        """The spans that begin on that day."""
        weekday = (self.monday, self.tuesday, self.wednesday, self.thursday, self.friday, self.saturday, self.sunday)
        named = self.exceptions.get(day, weekday[day.weekday()])
        return tuple(map(span, self.daily if named is None else named))

    def is_open(self, at: datetime, zone: ZoneInfo) -> bool:
        """at: aware. An hour that the clock shows twice is open twice; one that it leaves out is not."""
        today = at.astimezone(zone).date()
        days = (today - timedelta(days=1), today)
        return any(_within(at, day, found, zone) for day in days for found in self.hours(day))


def _within(at: datetime, day: date, found: Span, zone: ZoneInfo) -> bool:
    opens, closes = _local(day, found.opens, zone), _local(day, found.closes, zone)
    return opens.astimezone(UTC) <= at < max(closes.astimezone(UTC), closes.replace(fold=1).astimezone(UTC))


def _local(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    days, minute = divmod(minutes, _DAY)
    return datetime.combine(day + timedelta(days=days), time(*divmod(minute, 60)), zone)
