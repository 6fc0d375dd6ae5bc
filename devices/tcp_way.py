"""A device that connects to the box and talks: what it says goes through a decoder.

One connection at a time: a device that comes again, as after a power cut, takes the place of the dead one.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Collection
from datetime import UTC, datetime

from devices.driver import Decoder, DeviceOffline, Item, Taken

_PIECE = 64 * 1024
_REASONS = {
    errno.EADDRINUSE: "another program listens there; choose another port",
    errno.EACCES: "the agent may not listen there; choose a port from 1024",
    errno.EADDRNOTAVAIL: "this box has no such address",
}


class TcpListener:
    """Listens at `address` (host, port). allow_from: addresses that may connect; empty: any."""

    def __init__(self, address: tuple[str, int], allow_from: Collection[str], decoder: Decoder) -> None:
        self._address = address
        self._allow_from = allow_from
        self._decoder = decoder
        self._server: socket.socket | None = None
        self._device: socket.socket | None = None

    def open(self) -> None:
        """Ready to be connected to, or `DeviceOffline` with what to check."""
        try:
            self._server = socket.create_server(self._address)
        except OSError as error:
            host, port = self._address
            reason = _REASONS.get(error.errno or 0, f"cannot listen ({type(error).__name__})")
            raise DeviceOffline(f"{host}:{port}: {reason}") from error

    @property
    def port(self) -> int:
        """Where it listens; 0 when closed."""
        return int(self._server.getsockname()[1]) if self._server else 0

    def read(self, timeout_s: float) -> Taken:
        """What came within the time; the end of a connection ends what was begun on it."""
        if self._server is None:
            raise DeviceOffline("it is not listening")
        there = [self._server, self._device] if self._device else [self._server]
        ready, _, _ = select.select(there, [], [], timeout_s)
        items: list[Item] = []
        if self._device in ready:
            items += self._heard()
        if self._server in ready:
            items += self._accepted(self._server)
        return Taken(items)

    def close(self) -> None:
        for one in (self._device, self._server):
            if one:
                one.close()
        self._device = self._server = None

    def _heard(self) -> list[Item]:
        try:
            data = self._device.recv(_PIECE) if self._device else b""
        except OSError:
            data = b""  # reset: nothing more will come
        return list(self._decoder.feed(data, _now())) if data else self._hung_up()

    def _accepted(self, server: socket.socket) -> list[Item]:
        device, (host, *_) = server.accept()
        if self._allow_from and host not in self._allow_from:
            device.close()
            return []
        items = self._hung_up()
        self._device = device
        return items

    def _hung_up(self) -> list[Item]:
        device, self._device = self._device, None
        if device is None:
            return []
        device.close()
        return list(self._decoder.end(_now()))


def _now() -> datetime:
    return datetime.now(UTC)
