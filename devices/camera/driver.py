"""A camera: pictures to counts, as they come."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from devices.camera.options import Options
from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected, Taken

if TYPE_CHECKING:
    from devices.camera.analysis import Analysis, Finder
    from devices.camera.source import Fitting, Live

MAX_RECORDING = 1 << 30  # bytes that `replay` holds in memory
NOTE_S = 60.0  # between two words on pictures thrown away
_HICCUPS = 0.1  # of those looked at that a network which stops for a moment makes
_MISSING = "OpenCV is not installed; run: pip install 'store-edge[camera]'"


def _analysis(options: Options, context: Context) -> Analysis:
    from devices.camera.analysis import Analysis

    return Analysis(options, _finder(options), options.zone or context.timezone, context.glass)


def _finder(options: Options) -> Finder:
    if options.mode == "overhead":
        from devices.camera.overhead import Overhead

        return Overhead(options.person_px)
    from devices.camera.analysis import doubtful
    from devices.camera.detector import Detector

    return Detector(options.model, doubtful(options), cars=options.cars)


class RecordingDecoder:
    """A whole video file; it is read from memory once its end has come."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._context = options, context
        self._memory: int | None = None
        self._size = 0

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:  # noqa: ARG002 - a recording has its own time
        if self._size < MAX_RECORDING:
            if self._memory is None:
                self._memory = os.memfd_create("recording")
            os.write(self._memory, data)
        self._size += len(data)
        return ()

    def end(self, at: datetime) -> Sequence[Item]:
        """The records of the recording, as if it had ended at this moment."""
        memory, self._memory, size, self._size = self._memory, None, self._size, 0
        if memory is None:
            return ()
        try:
            return self._read(memory, at, size)
        finally:
            os.close(memory)

    def _read(self, memory: int, at: datetime, size: int) -> list[Item]:
        if size > MAX_RECORDING:
            return [Rejected(f"a recording of {size} bytes; at most {MAX_RECORDING} are read", b"", at)]
        try:
            player = Player(f"/proc/self/fd/{memory}", self._options, self._context, at)
        except DeviceOffline as fault:
            return [Rejected(str(fault).replace(f"/proc/self/fd/{memory}", "this"), os.pread(memory, 256, 0), at)]
        with closing(player):
            readings = [reading for completed in player.completed for reading in completed]
        return [_later(reading, at - player.ended) for reading in readings]


def _later(reading: Reading, by: timedelta) -> Reading:
    times = {name: getattr(reading.data, name, None) for name in ("from_", "to")}
    moved = {name: told + by for name, told in times.items() if isinstance(told, datetime)}
    return replace(reading, at=reading.at + by, data=replace(reading.data, **moved))


class Player:
    """A recording from its first picture to its last. start: when its first picture was taken

    completed: what each picture completes, and at last its end.
    """

    def __init__(self, path: str, options: Options, context: Context, start: datetime) -> None:
        try:
            from devices.camera.source import Recording
        except ImportError:
            raise DeviceOffline(_MISSING) from None
        self._recording = Recording(path, options)
        self._analysis = _analysis(options, context)
        self._start = start
        self.completed = self._played()

    def _played(self) -> Iterator[list[Reading]]:
        while frame := self._recording.next():
            yield self._analysis.look(frame.picture, frame.at, self._start)
        yield self._analysis.end(self._recording.seconds)

    @property
    def ended(self) -> datetime:
        """When its last picture was over, as far as it was read."""
        return self._start + timedelta(seconds=self._recording.seconds)

    def close(self) -> None:
        self._recording.close()


class RecordingDriver:
    """A video file in place of a camera: played as fast as it can be looked at, and again when it is another."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._context = options, context
        self._player: Player | None = None
        self._played: tuple[int, int] | None = None

    def open(self) -> None:
        file = self._file()
        if file != self._played:
            self._player = Player(self._options.source, self._options, self._context, datetime.now(UTC))
            self._played = file

    @property
    def playing(self) -> bool:
        return self._player is not None

    def _file(self) -> tuple[int, int]:
        try:
            found = Path(self._options.source).stat()
        except OSError as fault:
            raise DeviceOffline(f"{self._options.source}: {fault.strerror}") from None
        return found.st_ino, found.st_mtime_ns

    def read(self, timeout_s: float) -> Taken:
        until = time.monotonic() + timeout_s
        while self._player and time.monotonic() < until:
            readings = next(self._player.completed, None)
            if readings is None:
                self.close()
            elif readings:
                return Taken(readings)
        if not self._player:
            self.open()
        if not self._player:
            time.sleep(max(0.0, until - time.monotonic()))
        return Taken()

    def close(self) -> None:
        if self._player:
            self._player.close()
        self._player = None


class LiveDriver:
    """A stream or a video device, looked at for as long as it brings pictures."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options, self._context = options, context
        self._analysis: Analysis | None = None
        self._live: Live | None = None
        self._fitting: Fitting | None = None
        self._begun = time.monotonic()  # its seconds rise through every loss
        self._start = datetime.now(UTC)
        self._lost: DeviceOffline | None = None
        self._noted = (self._begun, 0, 0)  # when it was told last how many were looked at and skipped by then

    def open(self) -> None:
        try:
            from devices.camera.source import Fitting, Live
        except ImportError:
            raise DeviceOffline(_MISSING) from None
        self._lost = None
        self._analysis = self._analysis or _analysis(self._options, self._context)
        self._fitting = self._fitting or Fitting(self._options.picture_px)
        self._live = Live(self._options, self._begun, self._fitting)
        self._noted = (time.monotonic(), 0, 0)
        self._start = datetime.now(UTC) - timedelta(seconds=time.monotonic() - self._begun)

    def read(self, timeout_s: float) -> Taken:
        """Records as they come about; what a lost stream leaves is handed over before it is told to be offline."""
        if self._lost or not self._live or not self._analysis:
            raise self._lost or DeviceOffline("the camera is not open")
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            try:
                frame = self._live.next()
            except DeviceOffline as lost:
                self._lost = lost
                return Taken(self._analysis.lost(datetime.now(UTC)))
            if readings := self._analysis.look(frame.picture, frame.at, self._start):
                return Taken(readings, note=self._note(self._live))
        return Taken(note=self._note(self._live))

    def _note(self, live: Live) -> str:
        """At intervals: of a stream that comes faster than it can be looked at, what was thrown away."""
        since, looked, skipped = self._noted
        if time.monotonic() - since < NOTE_S:
            return ""
        self._noted = time.monotonic(), live.looked, live.skipped
        looked, skipped = live.looked - looked, live.skipped - skipped
        if skipped <= _HICCUPS * looked:
            return ""
        thrown = f"too busy: {looked} pictures looked at and {skipped} thrown away"
        return f"{thrown}; lower analysed_fps or choose the camera's smaller stream"

    def close(self) -> None:
        if self._live:
            self._live.close()
        self._live = None


def decoder(options: Options, context: Context) -> RecordingDecoder:
    return RecordingDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    if options.source.startswith(("rtsp", "/dev/")):
        return LiveDriver(options, context)
    return RecordingDriver(options, context)
