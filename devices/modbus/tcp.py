"""Modbus TCP, turned into the frames of a serial bus.

    transaction | 0000 | length | unit | function | data …      all two bytes, big endian, but unit and function

The unit is the slave behind a gateway. Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

from devices.driver import Decoder, DeviceOffline, Item, Taken
from devices.modbus.frames import crc

SCHEME = "tcp://"
_PORT = 502
_HEAD = 6
_LONGEST = 254
_CONNECT_S = 5.0


class TcpLine:
    """Questions to a TCP server. Answers that carry another transaction's number came too late and are dropped."""

    def __init__(self, address: str, decoder: Decoder, answer_s: float) -> None:
        self._address = address
        self._decoder = decoder
        self._answer_s = answer_s
        self._socket: socket.socket | None = None
        self._number = 0
        self._buffer = bytearray()

    def open(self) -> None:
        place = urlsplit(self._address)
        try:
            self._socket = socket.create_connection((place.hostname or "", place.port or _PORT), _CONNECT_S)
        except (OSError, ValueError) as error:
            raise DeviceOffline(f"{self._address}: {error}; check address, port and cable") from error
        self._buffer.clear()

    def write(self, data: bytes) -> None:
        """Asks what `data`, a frame of a serial bus, asks."""
        body = data[:-2]
        self._number = (self._number + 1) & 0xFFFF
        connection = self._connected()
        try:
            connection.settimeout(self._answer_s)
            connection.sendall(struct.pack(">HHH", self._number, 0, len(body)) + body)
        except OSError as error:
            raise self._gone() from error

    def read(self, timeout_s: float) -> Taken:
        connection = self._connected()
        try:
            connection.settimeout(max(timeout_s, 0.001))
            data = connection.recv(4096)
        except TimeoutError:
            return Taken()
        except OSError as error:
            raise self._gone() from error
        if not data:
            raise self._gone()
        self._buffer += data
        return Taken(self._items())

    def close(self) -> None:
        connection, self._socket = self._socket, None
        if connection:
            with suppress(OSError):
                connection.close()

    def _items(self) -> list[Item]:
        items: list[Item] = []
        while len(self._buffer) >= _HEAD:
            number, protocol, length = struct.unpack_from(">HHH", self._buffer)
            if protocol or not 2 <= length <= _LONGEST:
                raise DeviceOffline(f"{self._address}: does not speak Modbus TCP; RTU frames over TCP are socket://")
            if len(self._buffer) < _HEAD + length:
                break
            body = bytes(self._buffer[_HEAD : _HEAD + length])
            del self._buffer[: _HEAD + length]
            if number == self._number:
                items += self._decoder.feed(body + crc(body), datetime.now(UTC))
        return items

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise self._gone()
        return self._socket

    def _gone(self) -> DeviceOffline:
        return DeviceOffline(f"{self._address}: the connection is gone; check the device's power and cable")
