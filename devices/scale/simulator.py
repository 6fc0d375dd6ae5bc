"""Goods laid on a scale and taken off again, as an indicator prints them; and a Toledo 8217, which has to be asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from devices.scale.binary import cas_check, continuous_check, yaohua_check
from devices.simulator import Message


def line(kg: Decimal, *, stable: bool = True) -> bytes:
    """What an indicator of A&D's kind prints."""
    return b"%s,GS,%s%7.3fkg\r\n" % (b"ST" if stable else b"US", b"-" if kg < 0 else b"+", abs(kg))


def toledo(kg: Decimal, *, moving: bool = False, check: bool = True) -> bytes:
    """A frame of Toledo's continuous output, in grams' steps of a kilogram."""
    b = 0x30 | (2 if kg < 0 else 0) | (8 if moving else 0)
    frame = b"\x02" + bytes((0x2D, b, 0x20)) + b"%6d%6d\r" % (abs(int(kg * 1000)), 0)
    return frame + (bytes((continuous_check(frame),)) if check else b"")


def cas(kg: Decimal, *, stable: bool = True) -> bytes:
    """A CAS scale's answer."""
    body = b"%s%s%6.3fkg" % (b"S" if stable else b"U", b"-" if kg < 0 else b" ", abs(kg))
    return b"\x01\x02" + body + bytes((cas_check(body),)) + b"\x03\x04"


def yaohua(kg: Decimal) -> bytes:
    """A frame of an XK3190-A9."""
    body = b"%s%06d3" % (b"-" if kg < 0 else b"+", abs(int(kg * 1000)))
    return b"\x02" + body + yaohua_check(body) + b"\x03"


def asked(kg: Decimal | None) -> bytes:
    """What a Toledo 8217 answers; None: the plate moves."""
    return b"\x02?\x01\r" if kg is None else b"\x02%06.3f\r" % kg


class Toledo8217:
    """Answers `W`; goods come, lie and go."""

    def __init__(self, rng: Random) -> None:
        self._said = _course(rng)

    def hear(self, data: bytes) -> bytes:
        answers = []
        for _ in range(data.count(b"W")):
            kg, stable = next(self._said)
            answers.append(asked(kg if stable else None))
        return b"".join(answers)


def _course(rng: Random) -> Iterator[tuple[Decimal, bool]]:
    while True:
        kg = Decimal(rng.randrange(20, 6000)).scaleb(-3)
        yield (kg * Decimal("0.7")).quantize(Decimal("0.001")), False
        yield kg, True
        yield kg, True
        yield Decimal(0), True


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - lines carry no time
    """Endless lines: the plate moves, lies still, is empty."""
    for kg, stable in _course(rng):
        yield Message("serial", line(kg, stable=stable))
