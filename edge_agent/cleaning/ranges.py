"""What no store's device can rightly say, by type of data."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from records import types as t

_Limits = tuple[float, float]
_SENSOR: _Limits = (-70.0, 382.2)  # °C that an infrared sensor of the MLX90614 kind can say
_PROBE: _Limits = (-200.0, 850.0)  # °C of a Pt100; thermistors and DS18B20 lie within
_PERCENT: _Limits = (0.0, 100.0)
_COUNT: _Limits = (0, 100_000)  # people in one interval
_HEAVIEST = Decimal(3000)  # kg, a pallet scale


def out_of_range(data: msgspec.Struct) -> str | None:
    """Why `data` cannot be true, None where it can."""
    check = _CHECKS.get(type(data))
    return check(data) if check else None


def _within(name: str, value: float | None, limits: _Limits) -> str | None:
    if value is None or limits[0] <= value <= limits[1]:  # a NaN is within nothing
        return None
    return f"{name} {value} is out of range ({limits[0]} to {limits[1]})"


def _body(data: Any) -> str | None:
    return _within("celsius", data.celsius, _SENSOR) or _within("ambient_celsius", data.ambient_celsius, _SENSOR)


def _ambient(data: Any) -> str | None:
    return _within("celsius", data.celsius, _PROBE) or _within("humidity_pct", data.humidity_pct, _PERCENT)


def _door(data: Any) -> str | None:
    if data.from_ is not None and data.to is not None and data.from_ > data.to:
        return "the interval ends before it begins; set the device's clock"
    return _within("in", data.in_, _COUNT) or _within("out", data.out, _COUNT)


def _count(data: Any) -> str | None:
    return _within("count", data.count, _COUNT)


def _queue(data: Any) -> str | None:
    return _within("length", data.length, _COUNT) or _within("wait_s", data.wait_s, (0, 86_400))


def _dwell(data: Any) -> str | None:
    return _within("seconds", data.seconds, (0, 86_400))


def _weight(data: Any) -> str | None:
    if data.kg.is_finite() and 0 <= data.kg <= _HEAVIEST:
        return None
    return f"kg {data.kg} is out of range (0 to {_HEAVIEST})"


def _energy(data: Any) -> str | None:
    return None if data.kwh.is_finite() and data.kwh >= 0 else f"kwh {data.kwh} is negative or no number"


def _power(data: Any) -> str | None:
    return _within("charge_pct", data.charge_pct, _PERCENT)


_CHECKS: dict[type, Callable[[Any], str | None]] = {
    t.TempCheck: _body,
    t.TempAmbient: _ambient,
    t.DoorCount: _door,
    t.ZoneOccupancy: _count,
    t.ZoneQueue: _queue,
    t.ZoneDwell: _dwell,
    t.WifiPresence: _count,
    t.Weight: _weight,
    t.Energy: _energy,
    t.Power: _power,
}
