"""The relay's two processes: one works, the other holds the same sockets and waits for its end.

working ──a line changes──▶ tells the companion: number and handles (SCM_RIGHTS)
waiting ──the working one is gone──▶ working, with the lines as they stand, and a companion of its own
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time
from typing import NamedTuple

from devices.escpos_tap.tee_frames import CLOSED, DATA
from edge_agent.relay.copies import Copies
from edge_agent.relay.line import Line
from edge_agent.relay.ring import Ring

Held = dict[int, list[int]]

_TURN_MS = 200
_ALONE_S = 1.0
_HANDLES = 6
_HOLD, _LET_GO, _GOODBYE = b"+", b"-", b"!"
_NEWS = struct.Struct(">cI")
_MOST = 64  # lines at a time; more wait to be accepted


class Shared(NamedTuple):
    """What both processes have. handed: the listener is systemd's, which starts a new relay when its first one dies."""

    listener: socket.socket
    copies: socket.socket
    ring: Ring
    greeting: bytes
    printer: tuple[str, int]
    patience_s: float
    handed: bool


class Relay:
    """The working process."""

    def __init__(self, shared: Shared, held: Held, *, accepts: bool) -> None:
        self._shared = shared
        self._accepts = accepts
        self._copies = Copies(shared.copies, shared.ring, shared.greeting)
        self._lines = {number: self._resumed(number, handles) for number, handles in held.items()}
        self._companion: socket.socket | None = None
        self.finished = False

    @property
    def held(self) -> Held:
        return {number: line.handles for number, line in self._lines.items()}

    def handed_over(self) -> Held:
        """In the companion: handles of its own, after letting go of all that this object holds."""
        held = {number: [os.dup(handle) for handle in handles] for number, handles in self.held.items()}
        self._copies.drop()
        for line in self._lines.values():
            line.close()
        return held

    def work(self, companion: socket.socket | None) -> None:
        """Until the companion is gone, or, without one, for a second; or until all is finished."""
        self._companion = companion
        until = time.monotonic() + _ALONE_S
        while not self.finished and (self._companion or (companion is None and time.monotonic() < until)):
            self._turn()

    def _turn(self) -> None:
        stopping = _stopping()
        poll, wanted = select.poll(), self._copies.interest()
        if self._accepts and not stopping and len(self._lines) < _MOST:
            wanted[self._shared.listener.fileno()] = select.POLLIN
        if self._companion:
            wanted[self._companion.fileno()] = select.POLLIN
        for line in self._lines.values():
            wanted |= line.interest()
        for handle, events in wanted.items():
            poll.register(handle, events)
        found = dict(poll.poll(_TURN_MS))
        if self._companion and self._companion.fileno() in found:
            self._companion = None  # it never speaks: it has gone
        if self._shared.listener.fileno() in found:
            self._accept()
        for line in list(self._lines.values()):
            self._serve(line, found)
        self._copies.turn(found)
        if (stopping or not self._accepts) and not self._lines:
            self._tell(_GOODBYE, 0, [])
            self.finished = True

    def _accept(self) -> None:
        try:
            till, _ = self._shared.listener.accept()
        except OSError:
            return  # it hung up, or the other relay took it
        number = time.monotonic_ns() // 1000 & 0xFFFFFFFF
        self._tell(_HOLD, number, [till.fileno()])
        self._lines[number] = Line(number, till, self._copier(number))

    def _serve(self, line: Line, found: dict[int, int]) -> None:
        if line.turn(found, self._shared.printer, self._shared.patience_s):
            self._tell(_HOLD, line.number, line.handles)
            line.turn({}, self._shared.printer, self._shared.patience_s)
        if line.over:
            del self._lines[line.number]
            self._tell(_LET_GO, line.number, [])
            line.close()
            self._shared.ring.append(CLOSED, line.number, _micros(), b"")

    def _resumed(self, number: int, handles: list[int]) -> Line:
        return Line.resumed(number, handles, self._copier(number))

    def _copier(self, number: int) -> _Copier:
        return _Copier(self._shared.ring, number)

    def _tell(self, what: bytes, number: int, handles: list[int]) -> None:
        if self._companion is None:
            return
        try:
            socket.send_fds(self._companion, [_NEWS.pack(what, number)], handles)
        except OSError:
            self._companion = None  # it is gone, or does not listen: a new one is told everything


class _Copier:
    """Puts what one till sends into the ring."""

    def __init__(self, ring: Ring, number: int) -> None:
        self._ring = ring
        self._number = number

    def __call__(self, data: bytes) -> None:
        if data:
            self._ring.append(DATA, self._number, _micros(), data)


def live(shared: Shared) -> None:
    """Works, and is followed by a companion when it dies; until it was asked to stop and the lines are over."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    relay = Relay(shared, {}, accepts=True)
    while not relay.finished:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if _fork() == 0:
            ours.close()
            held = _wait(theirs, relay.handed_over())
            theirs.close()
            relay = Relay(shared, held, accepts=not shared.handed)
            continue
        theirs.close()
        ours.setblocking(False)
        relay.work(ours)
        ours.close()


def _fork() -> int:
    try:
        return os.fork()
    except OSError:
        return -1  # as if it had died at once: the next turn tries again


def _wait(news: socket.socket, held: Held) -> Held:
    """The companion's life: keeps what the other one holds, until that is gone."""
    while True:
        told, handles, _, _ = socket.recv_fds(news, _NEWS.size, _HANDLES)
        if not told:
            return held
        what, number = _NEWS.unpack(told)
        if what == _GOODBYE:
            os._exit(0)
        for handle in held.pop(number, []):
            os.close(handle)
        if what == _HOLD:
            held[number] = list(handles)


_asked_to_stop: list[int] = []


def _stop(number: int, _frame: object) -> None:
    _asked_to_stop.append(number)


def _stopping() -> bool:
    return bool(_asked_to_stop)


def _micros() -> int:
    return time.time_ns() // 1000
