"""Dragino's thermometers, all 11 bytes on port 2, told apart by what they can hold.

    LHT65    battery | celsius | humidity | kind of outer probe | its celsius | …    hundredths; humidity in tenths
    LHT52    celsius | humidity | outer celsius | kind | time, 4 bytes               hundredths; humidity in tenths
    LSN50    battery | celsius | ADC | digital, mode in bits 2 to 6 | celsius | celsius   three DS18B20, in tenths

All but kinds and digital have 2 bytes, big-endian. battery: millivolts in 14 bits. Sources: Dragino's manuals, decoders
that a device library publishes under the MIT licence, payloads of these sensors.
"""

from __future__ import annotations

import struct

from devices.milesight.said import Said, Warmth

_SIZE = 11
_KIND_AT = 6
_OUTER = 1  # the kind of probe that is a thermometer
_THREE_PROBES = 3
_STARTUP_C = 85.0  # what a DS18B20 says that has not measured
_CLOCK = range(1_420_070_400, 2_145_916_800)  # 2015 to 2037: an LHT65's outer temperature is never in it
_MILLIVOLTS = range(1500, 4300)


def decode(payload: bytes) -> Said | None:
    """What the thermometers say; None where it is none of them."""
    if len(payload) != _SIZE:
        return None
    warmths = _lht52(payload) or (_lsn50(payload) or _lht65(payload) if is_battery(payload) else None)
    return Said(warmths=warmths) if warmths else None


def is_battery(payload: bytes) -> bool:
    """Whether the payload begins as those with a battery do."""
    return int.from_bytes(payload[:2], "big") & 0x3FFF in _MILLIVOLTS


def _lht52(payload: bytes) -> tuple[Warmth, ...] | None:
    celsius, humidity, outer, kind, clock = struct.unpack(">hHhBI", payload)
    if clock not in _CLOCK or humidity > 1000 or kind > _OUTER:
        return None
    return _with_outer(celsius, humidity, outer, kind)


def _lht65(payload: bytes) -> tuple[Warmth, ...] | None:
    celsius, humidity, kind, outer = struct.unpack_from(">hHBh", payload, 2)
    return _with_outer(celsius, humidity, outer, kind & 0x7F) if humidity <= 1000 else None


def _with_outer(celsius: int, humidity: int, outer: int, kind: int) -> tuple[Warmth, ...]:
    own = Warmth(celsius / 100, humidity / 10)
    return (own, Warmth(outer / 100, probe="2", startup_c=_STARTUP_C)) if kind == _OUTER else (own,)


def _lsn50(payload: bytes) -> tuple[Warmth, ...] | None:
    if payload[_KIND_AT] >> 2 & 0x1F != _THREE_PROBES:
        return None
    first, second, third = (struct.unpack_from(">h", payload, place)[0] / 10 for place in (2, 7, 9))
    return tuple(
        Warmth(celsius, probe=probe, startup_c=_STARTUP_C)
        for celsius, probe in ((first, ""), (second, "2"), (third, "3"))
    )
