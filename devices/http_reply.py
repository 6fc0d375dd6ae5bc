"""An answer over HTTP/1.x, from its bytes. Opens nothing, reads no clock.

Only what devices send is understood: a status line, headers, and a body that ends by its length, in chunks, or when
the connection does. A body in chunks comes out without their framing.
"""

from __future__ import annotations

import re

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
MAX_HEAD = 64 * 1024
_MAX_CHUNK_LINE = 1024
_BODILESS = (204, 304)


class BadReply(ValueError):
    """What came is no HTTP answer."""


class Reply:
    """Fed with what the connection brings. `status`: None until the head is whole; `done`: the body has ended."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.done = False
        self._buffer = bytearray()
        self._left: int | None = None  # bytes of the body, or of this chunk, that are to come; None: until the end
        self._chunked = False

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body that `data` brings; `BadReply` when it is no HTTP."""
        self._buffer += data
        while self.status is None or self.status < 200:  # 100 Continue comes before the answer proper
            if not self._head():
                return b""
        return self._chunks() if self._chunked else self._plain()

    def end(self) -> None:
        """The connection is closed; `BadReply` when more had to come."""
        if self.status is None:
            raise BadReply("it hung up without an answer")
        if not self.done and (self._chunked or self._left is not None):
            raise BadReply("its answer was cut off")
        self.done = True

    def every(self, name: str) -> list[str]:
        """The values of a header, by its lower-case name."""
        return [value for key, value in self.headers if key == name]

    def _head(self) -> bool:
        end = _HEAD_END.search(self._buffer, 0, MAX_HEAD)
        begun = bytes(self._buffer[:5])
        if not b"HTTP/".startswith(begun) or (end is None and len(self._buffer) >= MAX_HEAD):
            raise BadReply("what it sends is no HTTP")
        if end is None:
            return False
        head = bytes(self._buffer[: end.end()])
        del self._buffer[: end.end()]
        status = _STATUS.match(head)
        if status is None:
            raise BadReply("what it sends is no HTTP")
        self.status = int(status[1])
        self.headers = [_header(line) for line in head[status.end() :].decode("latin-1").splitlines() if ":" in line]
        self._framing(self.status)
        return True

    def _framing(self, status: int) -> None:
        self._chunked = "chunked" in "".join(self.every("transfer-encoding")).lower()
        self._left = 0 if self._chunked else None
        lengths = set(self.every("content-length"))
        if self._chunked or not lengths:
            self.done = status in _BODILESS
            return
        (length,) = lengths if len(lengths) == 1 else ("",)
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise BadReply("its answer has no sound Content-Length")
        self._left = int(length)
        self.done = self._left == 0 or status in _BODILESS

    def _plain(self) -> bytes:
        if self.done:
            return b""
        if self._left is None:
            return self._taken(len(self._buffer))
        body = self._taken(min(self._left, len(self._buffer)))
        self._left -= len(body)
        self.done = self._left == 0
        return body

    def _chunks(self) -> bytes:
        body = b""
        while not self.done:
            if self._left:
                piece = self._taken(min(self._left, len(self._buffer)))
                self._left -= len(piece)
                body += piece
                if self._left:
                    break
            if not self._chunk_line():
                break
        return body

    def _chunk_line(self) -> bool:
        """Reads the size of the next chunk, after the line end of the one before."""
        begin = re.match(rb"(?:\r?\n)?", self._buffer)
        line = _CHUNK.match(self._buffer, begin.end() if begin else 0)
        if line is None:
            if len(self._buffer) > _MAX_CHUNK_LINE:
                raise BadReply("its answer has no sound chunks")
            return False
        self._left = int(line[1], 16)
        del self._buffer[: line.end()]
        self.done = self._left == 0
        return True

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
