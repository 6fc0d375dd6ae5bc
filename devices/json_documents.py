"""JSON documents one after the other, without length or line between them, as devices send them over TCP or in a body.

The end of a document is found by its brackets alone, so that each byte is looked at once however it comes in; whether
it is JSON is told afterwards. What stands between documents is noise.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

MAX_DOCUMENT = 4 * 1024 * 1024  # bytes; an hour of a busy multi-sensor in one push has 1 MiB
_MAX_NOISE = 4096
_MARK = re.compile(rb'\\.|["{}\[\]]', re.DOTALL)
_OPEN = re.compile(rb"[{\[]")
_BETWEEN = b" \t\r\n,;\x00\x1e\xef\xbb\xbf"  # white space, separators some servers put, NUL, RS, the mark of UTF-8


class Document(NamedTuple):
    """A list or an object, and its bytes."""

    value: Any
    raw: bytes


class Fault(NamedTuple):
    """What is no JSON document."""

    reason: str
    raw: bytes


class Documents:
    """Bytes in, documents and faults out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._begin()

    def feed(self, data: bytes) -> list[Document | Fault]:
        self._buffer += data
        found: list[Document | Fault] = []
        while self._step(found):
            pass
        return found

    def end(self) -> list[Document | Fault]:
        """What is left: half a document, or noise."""
        rest = bytes(self._buffer)
        reason = "a JSON document that was cut off" if self._depth else "no JSON document"
        self._begin()
        return [Fault(reason, rest)] if rest.strip(_BETWEEN) else []

    def _begin(self) -> None:
        self._buffer = bytearray()
        self._start_document()

    def _start_document(self) -> None:
        self._depth = 0
        self._quoted = False
        self._place = 0  # up to where the document that begins the buffer has been looked through

    def _step(self, found: list[Document | Fault]) -> bool:
        if not self._depth:
            return self._opened(found)
        for mark in _MARK.finditer(self._buffer, self._place):
            self._place = mark.end()
            if self._closes(mark[0]):
                document = bytes(self._buffer[: self._place])
                break
        else:
            return self._overlong(found)
        del self._buffer[: len(document)]
        self._start_document()
        found.append(_parsed(document))
        return True

    def _opened(self, found: list[Document | Fault]) -> bool:
        """Drops what stands before the next document; False when there is none yet."""
        begin = _OPEN.search(self._buffer, 0, _MAX_NOISE)
        if begin is None and len(self._buffer) < _MAX_NOISE:
            return False
        noise = bytes(self._buffer[: begin.start() if begin else _MAX_NOISE])
        del self._buffer[: len(noise)]
        if noise.strip(_BETWEEN):
            found.append(Fault("no JSON document", noise))
        if begin:
            self._place = self._depth = 1
        return True

    def _closes(self, mark: bytes) -> bool:
        if mark == b'"':
            self._quoted = not self._quoted
        elif not self._quoted and len(mark) == 1:
            self._depth += 1 if mark in b"{[" else -1
        return self._depth == 0

    def _overlong(self, found: list[Document | Fault]) -> bool:
        """All is looked through but a last backslash, which belongs to what comes after it."""
        self._place = max(self._place, len(self._buffer) - self._buffer.endswith(b"\\"))
        if len(self._buffer) <= MAX_DOCUMENT:
            return False
        found.append(Fault("a JSON document without end", bytes(self._buffer)))
        self._begin()
        return False


def _parsed(document: bytes) -> Document | Fault:
    try:
        return Document(msgspec.json.decode(document), document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fault("broken JSON", document)
