"""Yosensi's payloads: 4 bytes, then measurements.

    type (6 bits) and decimals | age | lengths of address and of value - 1 | address | value

A temperature without an address is the sensor's own, one with an address an outer probe's. Sources: decoders that a
device library publishes under the MIT licence, payloads of these sensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from devices.counter import BITS_32
from devices.milesight.said import Count, Said, Warmth

_COUNTERS = {0: ("period", 0), 1: ("period", 1), 2: ("total", 0), 3: ("total", 1)}
_COUNTER, _CELSIUS, _HUMIDITY = 24, 3, 4  # types of measurements
_HEAD = 4


class _Measurement(NamedTuple):
    kind: int
    decimals: int
    address: bytes
    value: bytes

    @property
    def number(self) -> float:
        return round(int.from_bytes(self.value, "big", signed=True) * 0.1**self.decimals, self.decimals)


def decode(payload: bytes) -> Said | None:
    """What the payload says; None where it is none of Yosensi's."""
    if len(payload) < _HEAD + 4 or payload[0] != 2:
        return None
    found = list(_measurements(payload))
    if None in found:
        return None
    whole = [one for one in found if one]
    sides: dict[str, dict[int, int]] = {"period": {}, "total": {}}
    for one in whole:
        meaning = _COUNTERS.get(int.from_bytes(one.address, "big"))
        if one.kind == _COUNTER and meaning:
            sides[meaning[0]][meaning[1]] = int.from_bytes(one.value, "big")
    period, total = (_whole(sides[name]) for name in ("period", "total"))
    return Said((Count(1, period, total, BITS_32),) if period or total else (), warmths=tuple(_warmths(whole)))


def _measurements(payload: bytes) -> Iterator[_Measurement | None]:
    """None at what is cut off."""
    place = _HEAD
    while place < len(payload):
        head = payload[place : place + 3]
        middle = place + 3 + (head[2] >> 4) if len(head) == 3 else len(payload)
        end = middle + (head[2] & 15) + 1 if len(head) == 3 else len(payload) + 1
        if end > len(payload):
            yield None
            return
        yield _Measurement(head[0] >> 2, head[0] & 3, payload[place + 3 : middle], payload[middle:end])
        place = end


def _warmths(found: list[_Measurement]) -> Iterator[Warmth]:
    humidity = next((one.number for one in found if one.kind == _HUMIDITY and not one.address), None)
    for one in found:
        if one.kind == _CELSIUS:
            yield Warmth(one.number, None if one.address else humidity, one.address.hex())


def _whole(sides: Mapping[int, int]) -> tuple[int, int] | None:
    return (sides[0], sides[1]) if len(sides) == 2 else None
