"""One till's connection and its way to the printer: two flows, each through a pipe inside the kernel."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
from collections.abc import Callable

PIECE = 64 * 1024  # what a pipe holds
LINGER_S = 60.0  # that a printer may keep its side open after the till has hung up, as the kernel grants an orphan
HOLD_S = 600.0  # that a receipt is kept whose till has hung up while the printer was away
RETRY_S = 0.25
CONNECT_S = 2.0
_NOW = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection
_TILL_AWAY = select.POLLERR | select.POLLHUP
Copy = Callable[[bytes], None]


class Gone(Exception):
    """One end has broken off."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end


class Flow:
    """One direction. What has left `source` and not reached `sink` lies in the pipe, which outlives this process."""

    def __init__(self, source: socket.socket, sink: socket.socket, pipe: tuple[int, int], copy: Copy | None) -> None:
        self.source, self.sink, self.pipe = source, sink, pipe
        self._copy = copy
        self.ended = False  # the source has no more
        self.done = False  # and all of it is through

    def move(self) -> None:
        """Moves what can be moved at once; `Gone` when an end has broken off."""
        while self._take() or self._give():
            pass

    @property
    def filled(self) -> int:
        return int(struct.unpack("i", fcntl.ioctl(self.pipe[0], termios.FIONREAD, bytes(4)))[0])

    def _take(self) -> bool:
        if self.ended or self.filled:
            return False
        try:
            if self._copy is None:
                moved = os.splice(self.source.fileno(), self.pipe[1], PIECE, flags=_NOW)
            else:
                seen = self.source.recv(PIECE, socket.MSG_PEEK)
                moved = os.splice(self.source.fileno(), self.pipe[1], len(seen), flags=_NOW) if seen else 0
                self._copy(seen[:moved])
        except BlockingIOError:
            return False
        except OSError as error:
            raise Gone(self.source) from error
        self.ended = not moved
        return bool(moved)

    def _give(self) -> bool:
        try:
            if filled := self.filled:
                return bool(os.splice(self.pipe[0], self.sink.fileno(), filled, flags=_NOW))
            if self.ended and not self.done:
                self.done = True
                self.sink.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Gone(self.sink) from error
        return False


class Line:
    """A till's connection, from its acceptance until both ends have finished.

    number: tells it from others in the copies; copy: takes what the till sends
    """

    def __init__(self, number: int, till: socket.socket, copy: Copy) -> None:
        self.number = number
        self.till = till
        self._copy = copy
        self._since = self._tried = time.monotonic()
        self._hung_up = False  # the till has sent all it will
        self._connecting: socket.socket | None = None
        self._flows: tuple[Flow, Flow] | None = None
        self._quiet_since = 0.0
        self.over = False
        tuned(till)

    @classmethod
    def resumed(cls, number: int, handles: list[int], copy: Copy) -> Line:
        """A line as another process left it."""
        line = cls(number, socket.socket(fileno=handles[0]), copy)
        if len(handles) > 1:
            line._join(socket.socket(fileno=handles[1]), (handles[2], handles[3]), (handles[4], handles[5]))
        return line

    @property
    def handles(self) -> list[int]:
        """All that another process needs to go on with it."""
        if self._flows is None:
            return [self.till.fileno()]
        there, back = self._flows
        return [self.till.fileno(), there.sink.fileno(), *there.pipe, *back.pipe]

    def interest(self) -> dict[int, int]:
        """What to wait for: events by file descriptor."""
        if self._flows is None:
            wanted = {self.till.fileno(): 0 if self._hung_up else select.POLLRDHUP}
            if self._connecting:
                wanted[self._connecting.fileno()] = select.POLLOUT
            return {fd: events for fd, events in wanted.items() if events}
        wanted = {}
        for flow in self._flows:
            if flow.filled:
                wanted[flow.sink.fileno()] = wanted.get(flow.sink.fileno(), 0) | select.POLLOUT
            elif not flow.ended:
                wanted[flow.source.fileno()] = wanted.get(flow.source.fileno(), 0) | select.POLLIN
        return wanted

    def turn(self, events: dict[int, int], printer: tuple[str, int], patience_s: float) -> bool:
        """Does what can be done now; whether its handles have changed."""
        try:
            if self._flows is None:
                return self._approach(events, printer, patience_s)
            self._move(self._flows)
        except Gone as gone:
            self._broken(gone.end)
        return False

    def close(self) -> None:
        """Lets go of everything; ends the connections for whoever holds them too."""
        sockets = [self.till, *([self._connecting] if self._connecting else [])]
        if self._flows:
            sockets.append(self._flows[0].sink)
            for flow in self._flows:
                for handle in flow.pipe:
                    os.close(handle)
        for one in sockets:
            one.close()
        self._flows = None

    def _approach(self, events: dict[int, int], printer: tuple[str, int], patience_s: float) -> bool:
        """Connects to the printer, again and again while that may still help; whether it has."""
        now = time.monotonic()
        heard = events.get(self.till.fileno(), 0)
        if heard & _TILL_AWAY and not heard & select.POLLRDHUP:
            self.over = True
            return False
        self._hung_up = self._hung_up or bool(heard & select.POLLRDHUP)
        if self._connecting:
            return self._connected(events, now)
        if now - self._since > (HOLD_S if self._hung_up else patience_s):
            self._reset_till()
        elif now >= self._tried:
            self._tried = now + RETRY_S
            self._connecting = _begun(printer)
        return False

    def _connected(self, events: dict[int, int], now: float) -> bool:
        attempt = self._connecting
        if attempt is None:
            return False
        if attempt.fileno() in events and not attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._connecting = None
            self._join(attempt, os.pipe(), os.pipe())
            return True
        if attempt.fileno() in events or now > self._tried - RETRY_S + CONNECT_S:
            attempt.close()
            self._connecting = None
            self._tried = now + RETRY_S
        return False

    def _join(self, printer: socket.socket, there: tuple[int, int], back: tuple[int, int]) -> None:
        tuned(printer)
        self._flows = (Flow(self.till, printer, there, self._copy), Flow(printer, self.till, back, None))

    def _move(self, flows: tuple[Flow, Flow]) -> None:
        there, back = flows
        there.move()
        back.move()
        if not there.done:
            return
        self._quiet_since = self._quiet_since or time.monotonic()
        if back.done or time.monotonic() - self._quiet_since > LINGER_S:
            for end in (self.till, there.sink):
                _hang_up(end)
            self.over = True

    def _broken(self, end: socket.socket) -> None:
        """A till that broke off gets what it sent printed; a printer that broke off breaks off the till."""
        if self._flows is None or end is not self.till:
            self._reset_till()
            return
        there, back = self._flows
        there.ended = back.ended = back.done = True
        try:
            there.move()
        except Gone:
            self.over = True
        self.over = self.over or there.done

    def _reset_till(self) -> None:
        self.over = True
        if not self._hung_up:
            self.till.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)


def tuned(end: socket.socket) -> None:
    """Sends at once, and notices an end that has vanished."""
    end.setblocking(False)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)


def _begun(address: tuple[str, int]) -> socket.socket | None:
    """A connection that is being made; None where that fails at once."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    attempt = socket.socket(family, socket.SOCK_STREAM)
    attempt.setblocking(False)
    if attempt.connect_ex(address) in (0, errno.EINPROGRESS):
        return attempt
    attempt.close()
    return None


def _hang_up(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side has done so
