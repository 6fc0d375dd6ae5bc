"""scanner-evdev: what a scanner types becomes scans, as `scanner-serial` reads them."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from devices.driver import Context, Decoder, DeviceOffline, Driver, Item, Rejected, Taken
from devices.framing import Noise
from devices.scanner_evdev.frames import EV_KEY, EV_SYN, SIZE, SYN_DROPPED, EventParser, InputEvent
from devices.scanner_evdev.keys import CONTROLS, ENTER, KEYPAD_ENTER, SHIFTS, TAB, typed
from devices.scanner_evdev.options import Options
from devices.scanner_serial.driver import ScanDecoder

EVIOCGRAB = 0x40044590  # _IOW('E', 0x90, int), linux/input.h
_INPUT_MAJOR = 13
_EVENTS_AT_ONCE = 64
_LOST = b"\xff\xfe\xff"  # text in no encoding: the code that it falls into is set aside
_PRESSED = 1
_ENTER_AS = {"lf": b"\n"}
_REASONS = {
    errno.ENOENT: "there is no such device; check the cable, and the name under /dev/input/by-id",
    errno.EACCES: "the agent may not open it; add its user to the group input",
    errno.EPERM: "the agent may not open it; add its user to the group input",
    errno.EBUSY: "another program has grabbed it; stop that program",
    errno.ENOTTY: "it is no input device; name one that ends in -event-kbd",
    errno.EINVAL: "it is no input device; name one that ends in -event-kbd",
}
_GONE = "it is gone; check the cable, and whether a wireless scanner sleeps"


class KeyDecoder:
    """Input events in, scans out. A code ends with Enter or Tab, or with `gap_s` between two keys."""

    def __init__(self, options: Options) -> None:
        self._events = EventParser()
        self._scans = ScanDecoder(options)
        self._gap_us = round(options.gap_s * 1_000_000)
        self._enter = _ENTER_AS.get(options.suffix, b"\r")
        self._tab = b"\r" if options.suffix == "auto" else b"\t"
        self._held: set[int] = set()
        self._last = 0  # microseconds of the last key

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [item for found in self._events.feed(data) for item in self._of(found, at)]

    def end(self, at: datetime) -> Sequence[Item]:
        left = [item for found in self._events.end() for item in self._of(found, at)]
        self._held.clear()
        return [*left, *self._scans.end(at)]

    def rest(self, at: datetime) -> Sequence[Item]:
        """What a silence leaves; keys that are held stay so."""
        return self._scans.end(at)

    def _of(self, found: InputEvent | Noise, at: datetime) -> Sequence[Item]:
        if isinstance(found, Noise):
            return [Rejected(found.reason, b"", at)]  # bytes of events may spell a code, so none are kept
        return self._pressed(found, at)

    def _pressed(self, event: InputEvent, at: datetime) -> Sequence[Item]:
        if event.type == EV_SYN and event.code == SYN_DROPPED:
            self._held.clear()
            return self._scans.feed(_LOST, at)
        if event.type != EV_KEY:
            return ()
        if event.code in SHIFTS | CONTROLS:
            self._hold(event)
            return ()
        if event.value != _PRESSED:
            return ()
        gap, self._last = event.at - self._last, event.at
        before = self._scans.end(at) if gap > self._gap_us else ()
        return [*before, *self._scans.feed(self._text(event.code), at)]

    def _hold(self, event: InputEvent) -> None:
        if event.value:
            self._held.add(event.code)
        else:
            self._held.discard(event.code)

    def _text(self, code: int) -> bytes:
        if code in (ENTER, KEYPAD_ENTER):
            return self._enter
        if code == TAB:
            return self._tab
        return typed(code, shift=bool(self._held & SHIFTS), control=bool(self._held & CONTROLS)).encode()


class InputDevice:
    """An input device, grabbed: what it types reaches no window. A simulated one's pipe or terminal is read too."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._decoder = KeyDecoder(options)
        self._file = -1
        self._lost: DeviceOffline | None = None
        self._last = 0.0  # monotonic time of the last event
        self._open_end = False

    def open(self) -> None:
        """Opens and grabs it, or `DeviceOffline` with what to check."""
        self.close()
        try:
            self._file = os.open(self._options.input, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            status = os.fstat(self._file)
            if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                raise OSError(errno.EINVAL, "no device")
            if stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == _INPUT_MAJOR:
                fcntl.ioctl(self._file, EVIOCGRAB, 1)
        except OSError as error:
            self.close()
            raise self._offline(error) from error
        self._lost = None

    def read(self, timeout_s: float) -> Taken:
        """What was scanned within the time; `DeviceOffline` once it is gone and what it had begun is handed over."""
        if self._lost:
            raise self._lost
        try:
            data = self._bytes(timeout_s)
        except OSError as error:
            return self._loss(self._offline(error))
        if data:
            self._last, self._open_end = monotonic(), True
            return Taken(self._decoder.feed(data, datetime.now(UTC)))
        if self._open_end and monotonic() - self._last >= self._options.gap_s:
            self._open_end = False
            return Taken(self._decoder.rest(datetime.now(UTC)))
        return Taken()

    def close(self) -> None:
        """Lets go of it; the kernel releases the grab."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _bytes(self, timeout_s: float) -> bytes:
        if self._file < 0:
            raise OSError(errno.ENODEV, "not open")
        if self._open_end:
            timeout_s = min(timeout_s, max(0.0, self._last + self._options.gap_s - monotonic()))
        poll = select.poll()
        poll.register(self._file, select.POLLIN)
        if not poll.poll(timeout_s * 1000):
            return b""
        try:
            data = os.read(self._file, SIZE * _EVENTS_AT_ONCE)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError(errno.ENODEV, "hung up")
        return data

    def _loss(self, lost: DeviceOffline) -> Taken:
        items = list(self._decoder.end(datetime.now(UTC)))
        self._open_end = False
        if not items:
            raise lost
        self._lost = lost
        return Taken(items)

    def _offline(self, error: OSError) -> DeviceOffline:
        return DeviceOffline(f"{self._options.input}: {_REASONS.get(error.errno or 0, _GONE)}")


def decoder(options: Options, context: Context) -> Decoder:  # noqa: ARG001 - scans need nothing of it
    return KeyDecoder(options)


def device(options: Options, context: Context) -> Driver:  # noqa: ARG001 - the same
    return InputDevice(options)
