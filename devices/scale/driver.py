"""Weighings of goods: what a scale says to stable weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from devices.driver import Context, Decoder, DeviceOffline, Driver, Item, Reading, Rejected, Taken
from devices.framing import Noise
from devices.gathered import Gathered
from devices.scale.frames import ScaleParser, Weighing
from devices.scale.options import Options
from devices.serial_port import SerialPort
from records.types import Weight

_GAP_S = 1.0  # a line takes 25 ms at 9600 baud: what is half after a second stays so
_UNHEARD = 10  # questions without an answer until the scale counts as gone


class ScaleDecoder:
    """Stable weights above `min_g`. once: a weight again only after the plate was empty or another weight lay on it.

    `heard`: whether anything of a scale came since it was last set to False.
    """

    def __init__(self, options: Options, *, once: bool) -> None:
        self._least = options.min_g.scaleb(-3)
        self._settle = options.settle
        self._once = once
        self._parser = ScaleParser(options.unit)
        self._told: Decimal | None = None
        self._last: Decimal | None = None  # of weights that do not say whether they are stable
        self._equal = 0
        self.heard = False

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.end() for item in self._of(found, at)]

    def _of(self, found: Weighing | Noise, at: datetime) -> list[Item]:
        if isinstance(found, Noise):
            return [Rejected(found.reason, found.raw, at)]
        self.heard = True
        stable = self._is_stable(found)
        if found.kg is None:
            return []
        if found.kg <= self._least:
            self._told = None
            return []
        if not stable or (self._once and found.kg == self._told):
            return []
        self._told = found.kg
        return [Reading(Weight(found.kg), at, raw=found.raw)]

    def _is_stable(self, found: Weighing) -> bool:
        if found.state != "unsaid":
            self._last = None
            return found.state == "stable"
        self._equal = self._equal + 1 if found.kg == self._last else 1
        self._last = found.kg
        return self._equal >= self._settle


class AskedScale:
    """A scale that says its weight when it is asked for it."""

    def __init__(self, options: Options) -> None:
        self._question = options.ask.encode("latin-1", "replace")
        self._interval_s = options.interval_s
        self._place = options.port
        self._decoder = ScaleDecoder(options, once=not options.every_line)
        self._line = SerialPort(options, self._decoder, _GAP_S)
        self._next = 0.0  # monotonic time of the next question
        self._unheard = 0

    def open(self) -> None:
        self._next, self._unheard = 0.0, 0
        self._line.open()

    def read(self, timeout_s: float) -> Taken:
        """What came within the time; `DeviceOffline` once ten questions in a row brought nothing of a scale."""
        now = time.monotonic()
        if now >= self._next:
            self._unheard = 0 if self._decoder.heard else self._unheard + 1
            if self._unheard > _UNHEARD:
                raise DeviceOffline(
                    f"{self._place}: the scale does not answer; check power, cable, baudrate, parity and protocol"
                )
            self._decoder.heard = False
            self._line.write(self._question)
            self._next = now + self._interval_s
        return self._line.read(min(timeout_s, max(0.0, self._next - now)))

    def close(self) -> None:
        self._line.close()


def decoder(options: Options, context: Context) -> Decoder:  # noqa: ARG001 - weights need no surroundings
    """A capture's: every stable line is told, since it has no time in which goods come and go."""
    return Gathered(ScaleDecoder(options, once=False))


def device(options: Options, context: Context) -> Driver:  # noqa: ARG001 - weights need no surroundings
    if options.ask:
        return AskedScale(options)
    return SerialPort(options, Gathered(ScaleDecoder(options, once=not options.every_line)), _GAP_S)
