"""What a Dahua device says over HTTP: summaries as lines, and events in the parts of a stream that never ends.

    summary.EnteredSubtotal.Total=10        one `key=value` a line, CRLF; blank lines between summaries of a stream
    --myboundary                            parts of a stream; their Content-Length is not to be trusted, so that
    Content-Type: text/plain                only boundaries divide them
    Content-Length:9

    Heartbeat

Sources: answers of `videoStatServer.cgi` (getSummary, attach) and of `eventManager.cgi` (attach).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_PART = 256 * 1024  # bytes; events are below 16 KiB
_BOUNDARY = re.compile(rb"--[\w'()+,./:=?-]{1,70}")
_HEADER = re.compile(rb"(?i)(?:content-[a-z]+|x-[a-z-]+)\s*:")
_SUMMARY = re.compile(rb"(\w+(?:\[\d+\])?)\.([\w.\[\]]+)=(.*)")


class Summary(NamedTuple):
    """Values by key, without their common first word: `EnteredSubtotal.Total` → `10`."""

    values: dict[str, str]
    raw: bytes


class Event(NamedTuple):
    """A part of another kind: its text, headers left out."""

    text: str
    raw: bytes


class Fault(NamedTuple):
    """What is nothing that such a device says."""

    reason: str
    raw: bytes


Part = Summary | Event | Fault


class PartParser:
    """Bytes in, parts out, the same however the bytes are cut. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._line = bytearray()  # begun
        self._begin()

    def feed(self, data: bytes) -> list[Part]:
        found: list[Part] = []
        *whole, rest = data.split(b"\n")
        for piece in whole:
            found += self._take(bytes(self._line) + piece + b"\n")
            self._line.clear()
        self._line += rest
        if self._size + len(self._line) > MAX_PART:
            found += self._overlong()
        return found

    def end(self) -> list[Part]:
        """What is left: the last part."""
        found = self._take(bytes(self._line)) if self._line else []
        self._line.clear()
        return found + self._done()

    def _begin(self) -> None:
        self._head: list[bytes] = []  # the part's headers
        self._body: list[bytes] = []
        self._size = 0

    def _take(self, line: bytes) -> list[Part]:
        text = line.strip()
        if _BOUNDARY.fullmatch(text):
            return self._done()
        if not self._body and (not text or _HEADER.match(text)):
            self._head.append(line)
            return []
        self._body.append(line)
        self._size += len(line)
        if self._size > MAX_PART:
            return self._overlong()
        return self._done() if not text and _SUMMARY.fullmatch(self._body[0].strip()) else []

    def _done(self) -> list[Part]:
        lines, raw = self._body, b"".join(self._head + self._body)
        self._begin()
        texts = [line.strip() for line in lines if line.strip()]
        if not texts:
            return []
        if _SUMMARY.fullmatch(texts[0]):
            return list(_summaries(texts, raw))
        text = b"\n".join(texts).decode("utf-8", "replace")
        if text.startswith(("Heartbeat", "Code=")):
            return [Event(text, raw)]
        return [Fault(f"no summary in {len(raw)} bytes", raw)]

    def _overlong(self) -> list[Part]:
        raw = b"".join(self._head + self._body) + bytes(self._line)
        self._line.clear()
        self._begin()
        return [Fault("a part without end", raw[:MAX_PART])]


def _summaries(lines: list[bytes], raw: bytes) -> Iterator[Part]:
    """One for each first word, since a recorder may tell of several channels in a row: `info[0].…`, `info[1].…`."""
    groups: dict[str, dict[str, str]] = {}
    for line in lines:
        pair = _SUMMARY.fullmatch(line)
        if pair:
            word, key, value = (part.decode("utf-8", "replace").strip() for part in pair.groups())
            groups.setdefault(word, {})[key] = value
    for values in groups.values():
        yield Summary(values, raw)
