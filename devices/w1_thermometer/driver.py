"""Thermometers on a 1-Wire bus: the kernel's files to readings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from devices.driver import Context, DeviceOffline, Driver, Item, Rejected, Taken
from devices.temperature import Measured, Probes
from devices.w1_thermometer.frames import Fault, Shown, SlaveParser
from devices.w1_thermometer.options import Options

_FAMILIES = ("10", "22", "28", "3b", "42")  # the thermometers among 1-Wire devices
_STARTUP_C = 85.0
_SHORTEST_S = 0.01


class W1Decoder:
    """The text of w1_slave files, one behind the other."""

    def __init__(self, options: Options, context: Context) -> None:
        self._parser = SlaveParser()
        self._probes = Probes(options, context, timedelta(seconds=options.interval_s))

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [self._item(found, at) for found in self._parser.feed(data)]

    def end(self, at: datetime) -> Sequence[Item]:
        return [self._item(found, at) for found in self._parser.end()]

    def _item(self, found: Shown | Fault, at: datetime) -> Item:
        if isinstance(found, Fault):
            return Rejected(found.reason, found.raw, at)
        said = Measured(found.probe, found.celsius, raw=found.raw, startup_c=_STARTUP_C)
        return self._probes.take(said, at)


class W1Bus:
    """Every `interval_s` one thermometer after the other; reading one makes it measure, which takes most of a second.

    A thermometer that vanishes from the bus is told once.
    """

    def __init__(self, options: Options, decoder: W1Decoder) -> None:
        self._options = options
        self._decoder = decoder
        self._left: list[Path] = []
        self._known: set[str] = set()
        self._next = 0.0  # monotonic time of the next round

    def open(self) -> None:
        self._left, self._next = [], 0.0
        if not self._found():
            raise DeviceOffline(
                f"{self._options.path}: no thermometer; check wiring and pull-up, and that w1-therm is loaded"
            )

    def read(self, timeout_s: float) -> Taken:
        """The next thermometer, when its time has come."""
        if self._left:
            return Taken(self._read(self._left.pop(0)))
        wait = self._next - time.monotonic()
        if wait > 0:
            time.sleep(max(_SHORTEST_S, min(timeout_s, wait)))  # a bus says nothing of its own accord
            return Taken()
        self._next = time.monotonic() + self._options.interval_s
        self._left = self._found()
        if not self._left:
            raise DeviceOffline(f"{self._options.path}: every thermometer is gone; check cable and power")
        return Taken(self._gone())

    def close(self) -> None:
        """Nothing is held."""

    def _found(self) -> list[Path]:
        places = self._options.path.glob("*-*/w1_slave")
        return sorted(place for place in places if place.parent.name.split("-")[0].lower() in _FAMILIES)

    def _gone(self) -> list[Item]:
        here = {place.parent.name for place in self._left}
        gone, self._known = sorted(self._known - here), here
        return [Rejected(f"{name} is no longer on the bus; check its cable", b"", _now()) for name in gone]

    def _read(self, place: Path) -> list[Item]:
        name = place.parent.name
        try:
            text = place.read_bytes()
        except OSError as error:  # gone in this moment, or the kernel could not make it measure
            return [Rejected(f"{name} cannot be read: {error.strerror}", b"", _now())]
        lines = b"".join(f"{name}/w1_slave:".encode() + line + b"\n" for line in text.splitlines())
        at = _now()
        return [*self._decoder.feed(lines, at), *self._decoder.end(at)]


def _now() -> datetime:
    return datetime.now(UTC)


def decoder(options: Options, context: Context) -> W1Decoder:
    return W1Decoder(options, context)


def device(options: Options, context: Context) -> Driver:
    return W1Bus(options, decoder(options, context))
