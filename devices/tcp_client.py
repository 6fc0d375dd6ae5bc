"""A device that is asked over TCP: a connection whose every failure says what to check."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

from devices.driver import DeviceOffline
from devices.tcp_options import TcpOptions

_PIECE = 64 * 1024
_REASONS = {
    errno.ECONNREFUSED: "nothing listens there; check the port, and that the device's service is on",
    errno.EHOSTUNREACH: "it cannot be reached; check its address, power and cable",
    errno.ENETUNREACH: "it cannot be reached; check the box's network",
}
_SILENT = "it does not answer; check its address, power and cable"
_GONE = "the connection is gone; check the device's power and cable"


class TcpClient:
    """One connection to the device that `options` name. timeout_s of them: to connect, and to take what is sent."""

    def __init__(self, options: TcpOptions) -> None:
        self._address = (options.host, options.port)
        self._timeout_s = options.timeout_s
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connected, or `DeviceOffline` with what to check."""
        try:
            self._socket = socket.create_connection(self._address, self._timeout_s)
        except TimeoutError as error:
            raise self.offline(_SILENT) from error
        except OSError as error:  # a name that is not known among them
            raise self.offline(_REASONS.get(error.errno or 0, f"{error.strerror or error}; check its name")) from error

    def send(self, data: bytes) -> None:
        connection = self._connected()
        try:
            connection.settimeout(self._timeout_s)
            connection.sendall(data)
        except OSError as error:
            raise self.offline(_GONE) from error

    def receive(self, within_s: float) -> bytes:
        """What came within the time, perhaps nothing; `DeviceOffline` when the device hung up."""
        connection = self._connected()
        try:
            connection.settimeout(max(within_s, 0.001))
            data = connection.recv(_PIECE)
        except TimeoutError:
            return b""
        except OSError as error:
            raise self.offline(_GONE) from error
        if not data:
            raise self.offline(_GONE)
        return data

    def close(self) -> None:
        connection, self._socket = self._socket, None
        if connection:
            with suppress(OSError):
                connection.close()

    def offline(self, reason: str) -> DeviceOffline:
        """The failure, with where it was."""
        host, port = self._address
        return DeviceOffline(f"{host}:{port}: {reason}")

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise self.offline(_GONE)
        return self._socket
