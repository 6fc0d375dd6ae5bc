"""The agent as a printer on TCP 9100: tills, or a splitter beside the real printer, connect and print to it.

Status requests are answered at once as a printer with paper and a shut cover would. Nothing is printed on paper.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from devices.driver import DeviceOffline, Item, Taken
from devices.escpos_tap.driver import TapDecoder
from devices.escpos_tap.options import LISTEN, Options

_CHUNK = 64 * 1024
_WAITING = 8  # connections that may wait to be accepted
_MOST = 32  # connections at a time
_REASONS = {
    errno.EADDRINUSE: "another program listens there; stop it or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 is all it has",
    errno.EACCES: "ports below 1024 are closed to the agent; choose one above, such as 9100",
}


@dataclass
class _Caller:
    """One connection. last: monotonic time of its last bytes."""

    socket: socket.socket
    decoder: TapDecoder
    last: float


class PrinterPort:
    """A `Driver` that listens."""

    def __init__(self, options: Options, make_decoder: Callable[[], TapDecoder]) -> None:
        address, _, port = options.port.removeprefix(LISTEN).rpartition(":")
        self._address = (address.strip("[]"), int(port))
        self._gap_s = options.gap_s
        self._make_decoder = make_decoder
        self._listener: socket.socket | None = None
        self._callers: dict[int, _Caller] = {}

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once open."""
        if self._listener is None:
            raise DeviceOffline("it is not open")
        name = self._listener.getsockname()
        return str(name[0]), int(name[1])

    def open(self) -> None:
        """Listens, or `DeviceOffline` with what to do."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        try:
            self._listener = socket.create_server(self._address, family=family, backlog=_WAITING)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, error.strerror or "it cannot be listened on")
            raise DeviceOffline(f"{LISTEN}{self._address[0]}:{self._address[1]}: {reason}") from error
        self._listener.setblocking(False)

    def read(self, timeout_s: float) -> Taken:
        """What was printed within the time."""
        if self._listener is None:
            raise DeviceOffline("it is not open")
        sockets = [self._listener, *(caller.socket for caller in self._callers.values())]
        ready, _, _ = select.select(sockets, [], [], min(timeout_s, self._gap_s))
        items: list[Item] = []
        for one in ready:
            if one is self._listener:
                self._accept(one)
            else:
                items += self._hear(self._callers[one.fileno()])
        return Taken(items + self._fallen_silent())

    def close(self) -> None:
        """Listens no more. What a till has begun to print is lost, as with a printer that is switched off."""
        for caller in self._callers.values():
            caller.socket.close()
        self._callers.clear()
        if self._listener:
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            caller, _ = listener.accept()
        except OSError:
            return  # it hung up before it was taken
        if len(self._callers) >= _MOST:
            caller.close()
            return
        caller.setblocking(False)
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._callers[caller.fileno()] = _Caller(caller, self._make_decoder(), time.monotonic())

    def _hear(self, caller: _Caller) -> list[Item]:
        try:
            data = caller.socket.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            del self._callers[caller.socket.fileno()]
            caller.socket.close()
            return list(caller.decoder.end(_now()))
        caller.last = time.monotonic()
        items = list(caller.decoder.feed(data, _now()))
        self._answer(caller)
        return items

    def _answer(self, caller: _Caller) -> None:
        if answers := caller.decoder.answers():
            try:
                caller.socket.send(answers)  # a few bytes: they fit, or nobody reads them
            except OSError:
                return  # the next read notices that it is gone

    def _fallen_silent(self) -> list[Item]:
        now = time.monotonic()
        items: list[Item] = []
        for caller in self._callers.values():
            if not caller.decoder.settled and now - caller.last >= self._gap_s:
                items += caller.decoder.end(_now())
        return items


def _now() -> datetime:
    return datetime.now(UTC)
