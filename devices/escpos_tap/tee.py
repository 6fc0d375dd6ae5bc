"""The relay's copy of what tills print.

Frames are acknowledged only when nothing of them is open any more: then all readings since the last such moment, with
the frame's number as their state, are committed together. So a restart of the agent neither loses nor doubles a
receipt.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from devices.driver import DeviceOffline, Item, Rejected, Taken
from devices.escpos_tap.driver import TapDecoder
from devices.escpos_tap.options import RELAY, Options
from devices.escpos_tap.tee_frames import ANSWER, CLOSED, DATA, GREETING, LOST, Frame, unpacked

STATE = "relay"
_CHUNK = 256 * 1024
_PATIENCE_S = 5.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Line:
    """One till's connection. at: of its last bytes."""

    def __init__(self, decoder: TapDecoder, at: datetime) -> None:
        self.decoder = decoder
        self.at = at


class Tee:
    """A `Driver` that reads the relay's socket."""

    def __init__(self, options: Options, make_decoder: Callable[[], TapDecoder], state: Mapping[str, bytes]) -> None:
        self._path = options.port.removeprefix(RELAY)
        self._gap = timedelta(seconds=options.gap_s)
        self._make_decoder = make_decoder
        self._stored = state.get(STATE, b"")  # greeting of the relay's run and the last frame on disk
        self._socket: socket.socket | None = None
        self._forget()

    def open(self) -> None:
        """Connects and reads the greeting, or `DeviceOffline`."""
        self._forget()
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(_PATIENCE_S)
            self._socket.connect(self._path)
            self._run = self._socket.recv(GREETING, socket.MSG_WAITALL)
        except OSError as error:
            self.close()
            hint = "is the relay running, and may the agent read its socket?"
            raise DeviceOffline(f"{RELAY}{self._path}: {error.strerror or error}; {hint}") from error

    def read(self, timeout_s: float) -> Taken:
        """What was printed within the time."""
        if self._socket is None:
            raise DeviceOffline("it is not open")
        ready, _, _ = select.select([self._socket], [], [], min(timeout_s, self._gap.total_seconds()))
        if ready:
            self._receive(self._socket)
        elif self._live and time.monotonic() - self._heard >= self._gap.total_seconds():
            self._fallen_silent()
        return self._settle()

    def close(self) -> None:
        """Lets go of the relay, which goes on without."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _forget(self) -> None:
        """The relay sends again what is not stored."""
        self._buffer = bytearray()
        self._run = b""
        self._lines: dict[int, _Line] = {}
        self._items: list[Item] = []
        self._taken = self._answered = 0  # frames
        self._heard = 0.0
        self._live = False  # something came since the last silence

    def _receive(self, relay: socket.socket) -> None:
        try:
            data = relay.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            raise DeviceOffline(f"{RELAY}{self._path}: the relay has gone; it starts again by itself")
        self._heard, self._live = time.monotonic(), True
        self._buffer += data
        place = 0
        while found := unpacked(self._buffer, place):
            frame, place = found
            if not self._is_stored(frame.sequence):
                self._take(frame)
            self._taken = frame.sequence
        del self._buffer[:place]

    def _is_stored(self, sequence: int) -> bool:
        run, stored = self._stored[:GREETING], self._stored[GREETING:]
        return run == self._run and bool(stored) and sequence <= ANSWER.unpack(stored)[0]

    def _take(self, frame: Frame) -> None:
        at = _EPOCH + timedelta(microseconds=frame.micros)
        line = self._lines.get(frame.connection)
        if line and at - line.at >= self._gap:
            self._items += line.decoder.end(line.at)
        match frame.kind:
            case kind if kind == DATA:
                line = line or _Line(self._make_decoder(), at)
                self._lines[frame.connection] = line
                line.at = at
                self._items += line.decoder.feed(frame.data, at)
                line.decoder.answers()  # the printer gave them
            case kind if kind == CLOSED and line:
                self._items += line.decoder.end(at)
                del self._lines[frame.connection]
            case kind if kind == LOST:
                self._lose(ANSWER.unpack(frame.data)[0], at)

    def _lose(self, count: int, at: datetime) -> None:
        self._lines.clear()
        reason = f"the relay had no room for {count} bytes while the agent was away; give it more with --room-mb"
        self._items.append(Rejected(reason, b"", at))

    def _fallen_silent(self) -> None:
        self._live = False
        for line in self._lines.values():
            self._items += line.decoder.end(line.at)

    def _settle(self) -> Taken:
        if self._taken == self._answered or not all(line.decoder.settled for line in self._lines.values()):
            return Taken()
        items, self._items = self._items, []
        sequence, self._answered = self._taken, self._taken
        if not items:
            self._acknowledge(sequence)
            return Taken()
        stored = self._run + ANSWER.pack(sequence)
        last = items[-1]
        items[-1] = msgspec.structs.replace(last, state={**last.state, STATE: stored})
        return Taken(items, partial(self._confirm, stored, sequence))

    def _confirm(self, stored: bytes, sequence: int) -> None:
        self._stored = stored
        self._acknowledge(sequence)

    def _acknowledge(self, sequence: int) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendall(ANSWER.pack(sequence))
        except OSError:
            return  # it sends the frames again; they are known to be stored
