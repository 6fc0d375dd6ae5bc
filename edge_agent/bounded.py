"""A peer's bytes within bounds: so many of them, within so much time, however slowly they drip."""

from __future__ import annotations

import io
import re
import socket
import time
from io import BufferedIOBase

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE = 1024


class TooMuch(Exception):
    """More than was allowed."""


class Broken(Exception):
    """It ended too early, or is not what it should be."""


class Bounded(io.RawIOBase):
    """Reads from a connection. `allow` first: time is that of the whole allowance, not of each byte."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = 0
        self._until = 0.0

    def allow(self, size: int, seconds: float) -> None:
        """From now on at most `size` bytes, within `seconds`."""
        self._left, self._until = size, time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """`TimeoutError` when the time is over, `TooMuch` when the allowance is."""
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("too slow")
        if self._left <= 0:
            raise TooMuch
        self._connection.settimeout(remaining)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def exactly(stream: BufferedIOBase, size: int) -> bytes:
    """`Broken` when the peer ends before."""
    data = stream.read(size)
    if len(data) != size:
        raise Broken
    return data


def chunked(stream: BufferedIOBase, most: int) -> bytes:
    """A body in chunks (RFC 9112, 7.1), its trailer thrown away; `TooMuch` beyond `most` bytes, `Broken`."""
    body = bytearray()
    while size := _chunk_size(stream):
        if len(body) + size > most:
            raise TooMuch
        body += exactly(stream, size)
        if stream.readline(3) not in (b"\r\n", b"\n"):
            raise Broken
    while stream.readline(_LONGEST_LINE) not in (b"\r\n", b"\n", b""):
        pass
    return bytes(body)


def _chunk_size(stream: BufferedIOBase) -> int:
    found = _SIZE.fullmatch(stream.readline(_LONGEST_LINE))
    if not found:
        raise Broken
    return int(found.group(1), 16)
