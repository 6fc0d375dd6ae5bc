"""Counts in what a server or another maker's cloud has already decoded, by the names of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.counter import BITS_32
from devices.milesight.said import Count, Said
from devices.milesight.uplinks import VALUE

Node = Mapping[str, Any]


def decode(node: Node) -> Said | None:
    """What the values say; None where none is a count. Keys are in lower case, letters and digits only."""
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
    return Said(tuple(counts)) if counts else None


def _event(node: Node) -> Said:
    """Disruptive Technologies: how often something passed, and doors that open; events of other kinds say nothing."""
    data = node["data"]
    passed, contact = data.get("objectPresentCount"), data.get("contact")
    if isinstance(passed, dict) and isinstance(passed.get("total"), int):
        return Said((Count(1, total=(passed["total"], 0), width=BITS_32, pair=2),))
    opened = isinstance(contact, dict) and contact.get("state") == "OPEN"
    return Said((Count(1, period=(1, 0), pair=2),) if opened else ())


def _count(line: int, period: Mapping[str, int], total: Mapping[str, int]) -> Count:
    return Count(line, _pair(period), _pair(total), BITS_32)


def _pair(sides: Mapping[str, int]) -> tuple[int, int] | None:
    return (sides["in"], sides["out"]) if len(sides) == 2 else None
