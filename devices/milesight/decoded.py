"""Counts and temperatures in what a server or a maker's cloud has already decoded, by the names of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.counter import BITS_32
from devices.milesight.said import Count, Said, Warmth
from devices.milesight.uplinks import HUMIDITIES, TEMPERATURES, VALUE, number

Node = Mapping[str, Any]


def decode(node: Node) -> Said | None:
    """What the values say; None where none is a count or a temperature. Keys: lower case letters and digits."""
    if "eventtype" in node:
        return _event(node)
    if node.get("type") == "counters":  # Terabee: totals since the sensor's reset, named in and out alone
        sides = node.get("in"), node.get("out")
        whole = (sides[0], sides[1]) if isinstance(sides[0], int) and isinstance(sides[1], int) else None
        return Said((Count(1, total=whole, width=BITS_32),)) if whole else None
    found: dict[tuple[int, str], dict[str, int]] = {}
    for key, value in node.items():
        named = VALUE.fullmatch(key)
        if named and isinstance(value, int) and not isinstance(value, bool) and 0 <= value < BITS_32:
            kind = "total" if named["kind"] == "total" else "period"
            found.setdefault((int(named["line"] or 1), kind), {})[named["side"]] = value
    lines = sorted({line for line, _ in found})
    counts = [_count(line, found.get((line, "period"), {}), found.get((line, "total"), {})) for line in lines]
    warmths = _warmths(node)
    return Said(tuple(counts), warmths=tuple(warmths)) if counts or warmths else None


def _warmths(node: Node) -> list[Warmth]:
    humidity = next((told for name in HUMIDITIES if (told := number(node.get(name))) is not None), None)
    found: list[Warmth] = []
    for probe, names in TEMPERATURES.items():
        celsius = next((told for name in names if (told := number(node.get(name))) is not None), None)
        if celsius is not None:
            found.append(Warmth(celsius, None if probe else humidity, probe))
    return found


def _event(node: Node) -> Said:
    """Disruptive Technologies: how often something passed, doors that open, temperatures; nothing of other kinds."""
    data = node["data"]
    passed, contact = data.get("objectPresentCount"), data.get("contact")
    if isinstance(passed, dict) and isinstance(passed.get("total"), int):
        return Said((Count(1, total=(passed["total"], 0), width=BITS_32, pair=2),))
    measured = data.get("temperature")
    if isinstance(measured, dict) and (celsius := number(measured.get("value"))) is not None:
        return Said(warmths=(Warmth(celsius),))
    opened = isinstance(contact, dict) and contact.get("state") == "OPEN"
    return Said((Count(1, period=(1, 0), pair=2),) if opened else ())


def _count(line: int, period: Mapping[str, int], total: Mapping[str, int]) -> Count:
    return Count(line, _pair(period), _pair(total), BITS_32)


def _pair(sides: Mapping[str, int]) -> tuple[int, int] | None:
    return (sides["in"], sides["out"]) if len(sides) == 2 else None
