"""Pulses of contacts: looks at their lines to who came in and went out.

A line is looked at every `debounce_ms`, so that bounces fall between two looks. Somebody passed when the line went from
rest to active, or went there and back between two looks. After a look that came much too late the kernel's own count of
edges tells how many.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from devices.counter import BITS_32
from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected, Taken
from devices.pulse_count.frames import LINES, Noise, Sample, SampleParser
from devices.pulse_count.modem import LineReader, ModemLines
from devices.pulse_count.options import Options
from devices.serial_port import SerialPort
from records.types import DoorCount

_STATE = "pulses"
_LATE_MS = 20  # a busy box looks so much later than it meant to, and no more
_TEXT_GAP_S = 5.0  # a board's line takes milliseconds


class _Kept(msgspec.Struct, frozen=True):
    """What is remembered. `until`: end of the last record; `odd`: 1 when a halved beam was broken once more."""

    until: datetime
    odd: int = 0


class PulseCounter:
    """Looks to records, one each `interval_s`."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        kept = context.state.get(_STATE)
        self._kept = msgspec.json.decode(kept, type=_Kept) if kept else None
        self._begin: tuple[int, datetime] | None = None  # of the record that is being counted
        self._missed = self._kept is not None
        self._last: Sample | None = None
        self._people = {"in": 0, "out": 0}

    def look(self, sample: Sample, at: datetime) -> list[Item]:
        """Counts what happened since the last look."""
        last, self._last = self._last, sample
        if self._begin is None:
            self._begin = sample.ms, at
        if last:
            self._people["in"] += self._pulses(self._options.in_line, last, sample)
            if self._options.out_line:
                self._people["out"] += self._pulses(self._options.out_line, last, sample)
        if sample.ms - self._begin[0] < self._options.interval_s * 1000:
            return []
        items = self.flush(at)
        self._begin = sample.ms, at
        return items

    def flush(self, at: datetime) -> list[Item]:
        """What has been counted in an interval that is not over."""
        idle = self._last is not None and self._begin is not None and self._last.ms == self._begin[0]
        if self._begin is None or (idle and not any(self._people.values())):
            return []
        in_, out, odd = self._people["in"], self._people["out"], 0
        if self._options.out_line is None:
            pairs, odd = divmod(in_ + (self._kept.odd if self._kept else 0), 2)
            in_ = out = pairs
        data = DoorCount(in_, out, min(self._begin[1], at), at, gap=self._missed)
        self._kept = _Kept(at, odd)
        self._people, self._begin, self._missed = {"in": 0, "out": 0}, None, False
        return [Reading(data, at, state={_STATE: msgspec.json.encode(self._kept)})]

    def lost(self) -> None:
        """The lines are out of sight: what happens until they are seen again is missing."""
        self._missed = self._last is not None or self._missed
        self._last = None

    def _pulses(self, line: str, last: Sample, now: Sample) -> int:
        edges = (now.edges[LINES.index(line)] - last.edges[LINES.index(line)]) % BITS_32
        if edges >= BITS_32 // 2:
            return 0  # the count fell: the port's driver was loaded anew
        active = self._options.active == "high"
        before, after = last.high(line) == active, now.high(line) == active
        each = 1 if line == "ri" else 2  # edges of a pulse
        if now.ms - last.ms > 2 * self._options.debounce_ms + _LATE_MS and edges > each:
            return (edges + after - before) // each
        return int(not before and (after or edges >= each))


class PulseDecoder:
    """Looks as text; see `frames`."""

    def __init__(self, options: Options, context: Context) -> None:
        self._parser = SampleParser()
        self._counter = PulseCounter(options, context)

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._parser.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        items = [item for found in self._parser.end() for item in self._of(found, at)]
        return items + self._counter.flush(at)

    def _of(self, found: Sample | Noise, at: datetime) -> list[Item]:
        if isinstance(found, Noise):
            return [Rejected("no line of counts", found.raw, at)]
        return self._counter.look(found, at)


class PulseDriver:
    """The lines that `reader` tells, looked at every `debounce_ms`."""

    def __init__(self, options: Options, context: Context, reader: LineReader) -> None:
        self._counter = PulseCounter(options, context)
        self._reader = reader
        self._wait_s = options.debounce_ms / 1000
        self._lost: DeviceOffline | None = None

    def open(self) -> None:
        self._reader.open()
        self._lost = None

    def read(self, timeout_s: float) -> Taken:
        """A record when its interval is over; `DeviceOffline` once the port is lost and what it had is handed over."""
        if self._lost:
            raise self._lost
        until = time.monotonic() + timeout_s
        while True:
            try:
                items = self._counter.look(self._reader.sample(), datetime.now(UTC))
            except DeviceOffline as lost:
                return self._loss(lost)
            if items or time.monotonic() >= until:
                return Taken(items)
            time.sleep(self._wait_s)

    def close(self) -> None:
        self._counter.lost()
        self._reader.close()

    def _loss(self, lost: DeviceOffline) -> Taken:
        items = self._counter.flush(datetime.now(UTC))
        self._counter.lost()
        if not items:
            raise lost
        self._lost = lost
        return Taken(items)


def decoder(options: Options, context: Context) -> PulseDecoder:
    return PulseDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    if options.reader == "text":
        return SerialPort(options, decoder(options, context), _TEXT_GAP_S)
    return PulseDriver(options, context, ModemLines(options.port))
