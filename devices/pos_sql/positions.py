"""How far a table was read: a growing number, or a time as the database tells it, date or text."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Literal

from devices.driver import DeviceOffline
from devices.pos_sql.tickets import Position

By = Literal["identity", "time"]


def position(value: Any, by: By, column: str) -> Position:
    """The value of the position's column; `DeviceOffline` when it cannot be one."""
    if by == "identity":
        try:
            return int(value)
        except (TypeError, ValueError):
            raise DeviceOffline(f"{column} holds no numbers: name another position, or set by: time") from None
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _moment(value):
        return value
    raise DeviceOffline(f"{column} holds no times like 2026-11-21 09:00:00: name another position")


def back(place: Position, by: int) -> Position:
    """So many numbers or seconds before it."""
    if isinstance(place, int):
        return place - by
    if isinstance(place, datetime):
        return place - timedelta(seconds=by)
    moment = _moment(place)
    if moment is None:
        raise DeviceOffline("the position is no time like 2026-11-21 09:00:00")
    return _as_text(moment - timedelta(seconds=by), place)


def no_later(place: Position, now: datetime) -> Position:
    """The place, or now where it lies in the future: a till whose clock is ahead must not hide what comes after.

    now: aware, in the till's zone.
    """
    if isinstance(place, int):
        return place
    if isinstance(place, datetime):
        return min(place, now if place.tzinfo else now.replace(tzinfo=None))
    return min(place, _as_text(now, place))


def within(one: Position, other: Position, by: int) -> bool:
    """Whether they lie no further apart."""
    low, high = sorted((one, other))
    return bool(back(high, by) <= low)


def encode(place: Position) -> bytes:
    told = {"time": place.isoformat()} if isinstance(place, datetime) else {"at": place}
    return json.dumps(told, ensure_ascii=False).encode()


def decode(state: bytes) -> Position | None:
    """None for what is none of ours."""
    try:
        told = json.loads(state)
        return datetime.fromisoformat(told["time"]) if "time" in told else told["at"]
    except (ValueError, KeyError, TypeError):
        return None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _as_text(moment: datetime, like: str) -> str:
    return moment.replace(microsecond=0, tzinfo=None).isoformat(sep=like[10:11] or " ")
