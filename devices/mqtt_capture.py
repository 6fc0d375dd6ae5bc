"""Captured MQTT messages: lines of a topic, a blank and the payload, as `mosquitto_sub -v` prints them.

JSON documents with `topic` and `payload` (text, or JSON itself), one after the other or in a list, are read too. One
without them is a payload whose topic is not known, "".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from devices.json_documents import Document, Documents, Fault

_LONGEST = 256 * 1024
_MOST_NOISE = 4096


class Captured(NamedTuple):
    topic: str
    payload: bytes


class Capture:
    """Bytes in, messages and faults out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._noise = bytearray()  # lines that are no messages, kept together
        self._lines = False  # whether a line has come, so that no later brace makes it JSON
        self._documents: Documents | None = None

    def feed(self, data: bytes) -> list[Captured | Fault]:
        if self._documents is None:
            self._buffer += data
            if not (begun := self._buffer.lstrip(b" \t\r\n\xef\xbb\xbf")):
                return []
            if not begun.startswith((b"{", b"[")) or self._lines:
                return self._cut()
            self._documents, data = Documents(), bytes(self._buffer)
            self._buffer.clear()
        return _messages(self._documents.feed(data))

    def end(self) -> list[Captured | Fault]:
        """What the end completes: a last line, half a document."""
        if self._documents is None:
            found = [*self._line(bytes(self._buffer)), *self._told_noise()]
        else:
            found = _messages(self._documents.end())
        self._buffer.clear()
        self._lines, self._documents = False, None
        return found

    def _cut(self) -> list[Captured | Fault]:
        self._lines = True
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        found = [message for line in lines for message in self._line(bytes(line) + b"\n")]
        if len(self._buffer) > _LONGEST:
            found += self._line(bytes(self._buffer))
            self._buffer.clear()
        return found

    def _line(self, line: bytes) -> list[Captured | Fault]:
        topic, blank, payload = line.strip(b"\r\n").partition(b" ")
        try:
            if blank and topic:
                return [*self._told_noise(), Captured(topic.decode(), payload)]
        except UnicodeDecodeError:
            pass  # as every line that is no message
        if line.strip():
            self._noise += line
        return self._told_noise() if len(self._noise) >= _MOST_NOISE else []

    def _told_noise(self) -> list[Captured | Fault]:
        noise = bytes(self._noise)
        self._noise.clear()
        return [Fault("no message: a line is a topic, a blank and a payload", noise)] if noise else []


def _messages(documents: list[Document | Fault]) -> list[Captured | Fault]:
    found: list[Captured | Fault] = []
    for document in documents:
        if isinstance(document, Fault):
            found.append(document)
            continue
        for entry in document.value if isinstance(document.value, list) else [document.value]:
            found.append(_message(entry, document.raw))
    return found


def _message(entry: Any, raw: bytes) -> Captured | Fault:
    if not isinstance(entry, dict):
        return Fault("neither a message nor a payload", raw)
    if not isinstance(entry.get("topic"), str) or "payload" not in entry:
        return Captured("", msgspec.json.encode(entry))
    payload = entry["payload"]
    return Captured(entry["topic"], payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload))
