"""Payloads of other makers' counters of people and doors, as tables: fixed layouts, and records of type and value.

Counters without direction say how many events one person who comes in and goes out again makes: two beams broken, two
doors opened; TBDW100 counts closing besides opening. Sources: the decoders that a device library publishes under the
MIT licence, and payloads of these sensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from devices.counter import BITS_16, BITS_32
from devices.milesight.said import Count, Said

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


class _Records(NamedTuple):
    """Records of a type and a value of known size, after `head` bytes. counts: per type, the layout of its value."""

    start: bytes
    head: int
    sizes: Mapping[int, int]
    counts: Mapping[int, _Layout]
    ports: frozenset[int] = frozenset()


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
    ),
    "browan": (_Layout(b"", 8, frozenset({100}), "little", total=((5, 8),), width=_BITS_24, pair=4),),
    "dragino": (_Layout(b"", 10, frozenset({2, 10}), total=((3, 6),), width=_BITS_24, pair=2),),
    "elsys": (
        _Records(
            b"",
            0,
            dict(enumerate((2, 1, 3, 2, 1, 2, 2, 2, 6, 2, 4, 2, 1, 2, 1, 4, 1, 1, 65, 4, 2, 2, 4), 1)),
            {0x0B: _ELSYS},
            frozenset({5}),
        ),
    ),
    "pipiot": (_Layout(b"\x00", 12, _ANY, period=((2, 4),), pair=2),),
}
_OWN_NAME = ("hkt", "imbuildings")  # begin in a way that no other payload does
_YOSENSI_COUNTERS = {0: ("period", 0), 1: ("period", 1), 2: ("total", 0), 3: ("total", 1)}
_YOSENSI_COUNTER = 24  # type of a measurement


def decode(maker: str, payload: bytes) -> Said | None:
    """What the payload says; None where it is not that maker's."""
    if maker == "yosensi":
        return _yosensi(payload)
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
    return Said((_count(table, payload),)) if len(payload) == table.size else None


def _records(table: _Records, payload: bytes) -> Said | None:
    counts, place = [], table.head
    while place < len(payload):
        kind, size = payload[place], table.sizes.get(payload[place])
        value = payload[place + 1 : place + 1 + (size or 0)]
        if size is None or len(value) < size:
            return None
        if kind in table.counts:
            counts.append(_count(table.counts[kind], value))
        place += 1 + size
    return Said(tuple(counts)) if payload else None


def _count(layout: _Layout, value: bytes) -> Count:
    period, total = _values(layout, layout.period, value), _values(layout, layout.total, value)
    return Count(1, period, total, layout.width, layout.pair)


def _values(layout: _Layout, places: tuple[_Place, ...], value: bytes) -> tuple[int, int] | None:
    """(in, out), or (events, 0) where there is no direction; None where it is not told."""
    if not places:
        return None
    in_, out = (*(int.from_bytes(value[first:end], layout.order) for first, end in places), 0)[:2]
    return in_, out


def _yosensi(payload: bytes) -> Said | None:
    """Measurements after 4 bytes: type (6 bits) and decimals, age, lengths of address and value, address, value."""
    if len(payload) < 8 or payload[0] != 2:
        return None
    found: dict[str, dict[int, int]] = {"period": {}, "total": {}}
    place = 4
    while place < len(payload):
        head = payload[place : place + 3]
        if len(head) < 3:
            return None
        middle = place + 3 + (head[2] >> 4)
        end = middle + (head[2] & 15) + 1
        if end > len(payload):
            return None
        meaning = _YOSENSI_COUNTERS.get(int.from_bytes(payload[place + 3 : middle], "big"))
        if head[0] >> 2 == _YOSENSI_COUNTER and meaning:
            found[meaning[0]][meaning[1]] = int.from_bytes(payload[middle:end], "big")
        place = end
    period, total = (_whole(found[name]) for name in ("period", "total"))
    return Said((Count(1, period, total, BITS_32),) if period or total else ())


def _whole(sides: Mapping[int, int]) -> tuple[int, int] | None:
    return (sides[0], sides[1]) if len(sides) == 2 else None
