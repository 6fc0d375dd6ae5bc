"""Checks of body temperature: frames to verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.body_temperature import Checks
from devices.driver import Context, Driver, Item, Reading, Rejected
from devices.framing import Noise
from devices.ir_thermometer.frames import Frame, FrameParser
from devices.ir_thermometer.options import Options
from devices.serial_port import SerialPort
from records.types import TempCheck

_FRAME_GAP_S = 1.0  # a frame takes 10 ms at 9600 baud: what is incomplete after a second stays so


class _Best(NamedTuple):
    """The warmest valid frame of the person in front of the sensor, and when the last one came."""

    frame: Frame
    at: datetime
    last: datetime


class IrDecoder:
    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._parser = FrameParser()
        self._best: _Best | None = None
        self._checks = Checks(options, context.state)

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        left = [item for found in self._parser.end() for item in self._of(found, at)]
        return self._person_left() + left

    def _of(self, found: Frame | Noise, at: datetime) -> list[Item]:
        if isinstance(found, Noise):
            return [Rejected(found.reason, found.raw, at)]
        return self._gathered(found, at) if self._options.gap_s else [self._check(found, at)]

    def _gathered(self, frame: Frame, at: datetime) -> list[Item]:
        """Continuous measuring: the person before, once this frame shows that somebody else or nobody is there."""
        best = self._best
        here = self._options.valid(frame.celsius)
        if best and here and at - best.last <= timedelta(seconds=self._options.gap_s):
            warmer = frame.celsius > best.frame.celsius
            self._best = _Best(frame, at, at) if warmer else best._replace(last=at)
            return []
        left = self._person_left()
        if here:
            self._best = _Best(frame, at, at)
        return left

    def _person_left(self) -> list[Item]:
        best, self._best = self._best, None
        return [self._check(best.frame, best.at)] if best else []

    def _check(self, frame: Frame, at: datetime) -> Reading:
        checked = self._checks.check(frame.celsius, at)
        data = TempCheck(frame.celsius, checked.verdict, ambient_celsius=frame.second)
        return Reading(data, at, state=checked.state, raw=frame.raw)


def decoder(options: Options, context: Context) -> IrDecoder:
    return IrDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    return SerialPort(options, decoder(options, context), options.gap_s or _FRAME_GAP_S)
