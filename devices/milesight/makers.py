"""Payloads of other makers' sensors, as tables: fixed layouts, and records of type and value.

Counters without direction say how many events one person who comes in and goes out again makes: two beams broken, two
doors opened; TBDW100 counts closing besides opening. Sources: the decoders that a device library publishes under the
MIT licence, and payloads of these sensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from devices.counter import BITS_16, BITS_32
from devices.milesight import dragino, yosensi
from devices.milesight.said import Count, Said, Warmth

_BITS_24 = 1 << 24
_Place = tuple[int, int]  # first byte, and the one after the last


class _Layout(NamedTuple):
    """Values at fixed places; a payload is one when it begins so, has that size, and came on one of the ports."""

    start: bytes
    size: int
    ports: frozenset[int]
    order: Literal["big", "little"] = "big"
    period: tuple[_Place, ...] = ()
    total: tuple[_Place, ...] = ()
    width: int = 0
    pair: int = 0
    warmth: Callable[[bytes], tuple[Warmth, ...]] | None = None


class _Records(NamedTuple):
    """Records of a type and a value of known size, after `head` bytes. counts: per type, the layout of its value."""

    start: bytes
    head: int
    sizes: Mapping[int, int]
    counts: Mapping[int, _Layout]
    ports: frozenset[int] = frozenset()
    warmth: Callable[[Mapping[int, bytes]], tuple[Warmth, ...]] | None = None


def _adeunis(payload: bytes) -> tuple[Warmth, ...]:
    """Tenths, the newest first; bit 4 of the status: an outer probe beside the sensor's own, value by value in turn."""
    found = [_tenths(payload[place : place + 2]) for place in (2, 4)]
    return (Warmth(found[0]), Warmth(found[1], probe="2")) if payload[1] & 0x10 else (Warmth(found[0]),)


def _browan(payload: bytes) -> tuple[Warmth, ...]:
    return (Warmth(float((payload[2] & 0x7F) - 32)),)


def _elsys(values: Mapping[int, bytes]) -> tuple[Warmth, ...]:
    inner, humidity, outer = values.get(0x01), values.get(0x02), values.get(0x0C)
    own = Warmth(_tenths(inner) if inner else None, float(humidity[0]) if humidity else None)
    return (*([own] if inner or humidity else []), *([Warmth(_tenths(outer), probe="2")] if outer else []))


def _tenths(value: bytes) -> float:
    return int.from_bytes(value, "big", signed=True) / 10


_ANY: frozenset[int] = frozenset()
_HKT = _Layout(b"", 12, _ANY, period=((0, 2),), total=((4, 8),), width=BITS_32, pair=2)
_ELSYS = _Layout(b"", 4, _ANY, total=((0, 4),), width=BITS_32, pair=2)
_TABLES: Mapping[str, tuple[_Layout | _Records, ...]] = {
    "hkt": (
        _Records(
            b"hkt",
            5,
            {0x01: 2, 0x03: 1, 0x08: 1, 0x22: 1, 0x23: 4, 0x24: 2, 0x25: 1, 0x26: 12, 0x84: 1},
            {0x26: _HKT},
        ),
    ),
    "imbuildings": (
        _Layout(b"\x02\x04", 24, _ANY, period=((19, 21), (21, 23))),
        _Layout(b"\x02\x06", 23, _ANY, period=((13, 15), (15, 17)), total=((18, 20), (20, 22)), width=BITS_16),
        _Layout(b"\x02\x07", 15, _ANY, total=((11, 13), (13, 15)), width=BITS_16),
    ),
    "adeunis": (
        _Layout(b"\x5a", 18, frozenset({1}), total=((2, 6),), width=BITS_32, pair=2),
        _Layout(b"\x10", 28, frozenset({1})),  # its settings
        *(_Layout(b"\x57", size, frozenset({1, 3}), warmth=_adeunis) for size in range(6, 52, 2)),
    ),
    "browan": (_Layout(b"", 8, frozenset({100}), "little", total=((5, 8),), width=_BITS_24, pair=4, warmth=_browan),),
    "dragino": (_Layout(b"", 10, frozenset({2, 10}), total=((3, 6),), width=_BITS_24, pair=2),),
    "elsys": (
        _Records(
            b"",
            0,
            dict(enumerate((2, 1, 3, 2, 1, 2, 2, 2, 6, 2, 4, 2, 1, 2, 1, 4, 1, 1, 65, 4, 2, 2, 4), 1)),
            {0x0B: _ELSYS},
            frozenset({5}),
            _elsys,
        ),
    ),
    "pipiot": (_Layout(b"\x00", 12, _ANY, period=((2, 4),), pair=2),),
}
_OWN_NAME = ("hkt", "imbuildings")  # begin in a way that no other payload does


def decode(maker: str, payload: bytes) -> Said | None:
    """What the payload says; None where it is not that maker's."""
    if maker == "yosensi":
        return yosensi.decode(payload)
    if maker == "dragino" and (warm := dragino.decode(payload)):
        return warm
    if maker == "dragino" and not dragino.is_battery(payload):
        return None
    found = (_of(table, payload) for table in _TABLES[maker])
    return next((said for said in found if said is not None), None)


def guess(payload: bytes, port: int | None) -> Said | None:
    """What the payload says, told from itself and its port; None where it is nobody's that is known."""
    for maker in ("yosensi", *_TABLES):
        ports = frozenset[int]().union(*(table.ports for table in _TABLES.get(maker, ())))
        fits = port is None or not ports or port in ports
        if fits and (said := decode(maker, payload)) is not None:
            return said
    return None


def names_itself(payload: bytes) -> Said | None:
    """What a payload says that begins in a way that no other maker's does."""
    found = (decode(maker, payload) for maker in _OWN_NAME)
    return next((said for said in found if said is not None), None)


def _of(table: _Layout | _Records, payload: bytes) -> Said | None:
    if not payload.startswith(table.start):
        return None
    if isinstance(table, _Records):
        return _records(table, payload)
    if len(payload) != table.size:
        return None
    count = (_count(table, payload),) if table.period or table.total else ()
    return Said(count, warmths=table.warmth(payload) if table.warmth else ())


def _records(table: _Records, payload: bytes) -> Said | None:
    counts, place = [], table.head
    values: dict[int, bytes] = {}
    while place < len(payload):
        kind, size = payload[place], table.sizes.get(payload[place])
        value = payload[place + 1 : place + 1 + (size or 0)]
        if size is None or len(value) < size:
            return None
        if kind in table.counts:
            counts.append(_count(table.counts[kind], value))
        values[kind] = value
        place += 1 + size
    return Said(tuple(counts), warmths=table.warmth(values) if table.warmth else ()) if payload else None


def _count(layout: _Layout, value: bytes) -> Count:
    period, total = _values(layout, layout.period, value), _values(layout, layout.total, value)
    return Count(1, period, total, layout.width, layout.pair)


def _values(layout: _Layout, places: tuple[_Place, ...], value: bytes) -> tuple[int, int] | None:
    """(in, out), or (events, 0) where there is no direction; None where it is not told."""
    if not places:
        return None
    in_, out = (*(int.from_bytes(value[first:end], layout.order) for first, end in places), 0)[:2]
    return in_, out
