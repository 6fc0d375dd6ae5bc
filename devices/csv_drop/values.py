"""Cells as numbers and times. What could mean two things is refused, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

_MARKS = "¥￥$€£元"
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3})+\.\d*|(?:,\d{3}){2,})", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+,(?:\d{1,2}|\d{4,})|\d{1,3}(?:\.\d{3})+,\d+)", re.ASCII)
_MOST_DIGITS = 18

_ZONE = r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?"
_TIME = (
    r"(?:[T\s]+(?P<hour>\d{1,2})[:时](?P<minute>\d{1,2})(?:[:分](?:(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?)?秒?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?" + _ZONE + ")?"
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})([-/.年])(?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?" + _TIME, re.ASCII)
_YEAR_LAST = re.compile(r"(?P<one>\d{1,2})([-/.])(?P<two>\d{1,2})\2(?P<year>\d{4})" + _TIME, re.ASCII)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[T\s]*(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2}))?)?",
    re.ASCII,
)


class OrderFault(ValueError):
    """Whether day or month comes first is not to be told from the dates."""


def number(cell: str) -> Decimal | None:
    """A decimal number, None for a blank cell; `ValueError` for anything else, also for 1,234, which could be 1.234."""
    text = cell.strip().strip(_MARKS).strip()
    if not text:
        return None
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    elif not _PLAIN.fullmatch(text):
        raise ValueError("is not a number, or one that could mean two")
    if sum(char.isdigit() for char in text) > _MOST_DIGITS:
        raise ValueError("has too many digits")
    return Decimal(text)


class Times:
    """Reads the times of one file, whose dates are all written in one order."""

    def __init__(self, at_format: str | None, cells: Iterable[str]) -> None:
        """`OrderFault` when the dates are like 1/2/2026 throughout."""
        self._format = at_format
        self._day_first = False if at_format else _day_first(cells)

    def read(self, cell: str) -> datetime:
        """The time as told, naive where no offset is; `ValueError` when it is none."""
        text = cell.strip()
        if self._format:
            return datetime.strptime(text, self._format)  # noqa: DTZ007 - the till's own zone is known to the caller
        told = _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text)
        if told:
            return _moment(told.groupdict(), told["month"], told["day"])
        told = _YEAR_LAST.fullmatch(text)
        if told is None:
            raise ValueError("is not a time that is known; set at_format")
        one, two = told["one"], told["two"]
        return _moment(told.groupdict(), *((two, one) if self._day_first else (one, two)))


def _day_first(cells: Iterable[str]) -> bool:
    """Told by the dates that can be read in one order only."""
    day_first = month_first = unclear = False
    for cell in cells:
        if told := _YEAR_LAST.fullmatch(cell.strip()):
            one, two = int(told["one"]), int(told["two"])
            day_first |= one > 12
            month_first |= two > 12
            unclear |= one != two
    if day_first and month_first:
        raise OrderFault("its dates put now the day and now the month first; set at_format")
    if unclear and not day_first and not month_first:
        raise OrderFault("its dates may put the day or the month first; set at_format, e.g. %m/%d/%Y %H:%M")
    return day_first


def _moment(parts: dict[str, str | None], month: str, day: str) -> datetime:
    hour = int(parts["hour"] or 0)
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            raise ValueError("is not a time on a 12-hour clock")
        hour = hour % 12 + (12 if half[0] in "Pp" else 0)
    micros = int((parts.get("fraction") or "0").ljust(6, "0")[:6])
    local = datetime(int(parts["year"] or 0), int(month), int(day), hour, int(parts["minute"] or 0))  # noqa: DTZ001
    local = local.replace(second=int(parts["second"] or 0), microsecond=micros)
    zone = parts.get("zone")
    return local.replace(tzinfo=datetime.strptime(zone, "%z").tzinfo) if zone else local
