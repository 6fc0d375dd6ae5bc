"""Alerts in what a Hikvision device posts: plain XML, multipart with pictures, alertStream, or in JSON.

Only the stretch from `<EventNotificationAlert` to its end tag is looked at: part headers, boundaries and pictures fall
away unread. Namespaces vary by firmware (urn:psialliance-org, isapi.org/ver20, hikvision.com/ver20), so elements go by
their local names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

MAX_ALERT = 256 * 1024  # bytes; the largest seen have 2 KiB
_HEAD = 64 * 1024  # bytes kept of what holds no alert, to tell what it is
_START = re.compile(rb"<(?:[A-Za-z][\w.-]{0,15}:)?EventNotificationAlert(?=[\s>/])")
_END = re.compile(rb"</(?:[A-Za-z][\w.-]{0,15}:)?EventNotificationAlert\s*>")
_TAIL = 64  # bytes that may hold the beginning of a tag
_ENCODINGS = ("utf-8", "gb18030")


class Alert(NamedTuple):
    """A whole alert, of whatever kind, and its bytes."""

    root: Element
    raw: bytes


class Fault(NamedTuple):
    """What is no alert, or a broken one."""

    reason: str
    raw: bytes


class AlertParser:
    """Bytes in, whole alerts and faults out. Opens nothing, reads no clock, raises nothing."""

    def __init__(self) -> None:
        self._begin_body()

    def feed(self, data: bytes) -> list[Alert | Fault]:
        self._buffer += data
        found: list[Alert | Fault] = []
        while self._step(found):
            pass
        return found

    def end(self) -> list[Alert | Fault]:
        """What the end of a body leaves: an alert cut off, or a body without any. Begins a new body."""
        rest = bytes(self._buffer)
        if self._inside:
            left: list[Alert | Fault] = [Fault("an alert that was cut off", rest)]
        else:
            self._passed(rest)
            left = [] if self._alerts else self._none()
        self._begin_body()
        return left

    def _begin_body(self) -> None:
        self._buffer = bytearray()
        self._inside = False
        self._alerts = 0
        self._head = bytearray()  # the beginning of a body in which no alert has come yet
        self._before = 0  # bytes of that body

    def _step(self, found: list[Alert | Fault]) -> bool:
        if not self._inside:
            return self._begin()
        end = _END.search(self._buffer, 0, MAX_ALERT)
        again = _START.search(self._buffer, 1, end.start() if end else MAX_ALERT)
        if again:
            found.append(Fault("an alert that was cut off by the next", self._cut(again.start())))
        elif end:
            found.append(_element(self._cut(end.end())))
            self._inside = False
        elif len(self._buffer) > MAX_ALERT:
            found.append(Fault("an alert without end", self._cut(MAX_ALERT)))
            self._inside = False
        else:
            return False
        return True

    def _cut(self, size: int) -> bytes:
        cut = bytes(self._buffer[:size])
        del self._buffer[:size]
        return cut

    def _begin(self) -> bool:
        start = None if self._is_json() else _START.search(self._buffer)
        self._passed(self._cut(start.start() if start else max(0, len(self._buffer) - _TAIL)))
        if start is None:
            return False
        self._inside = True
        self._alerts += 1
        return True

    def _is_json(self) -> bool:
        """Alerts in a JSON envelope are escaped: only its end tells them."""
        return not self._alerts and bytes((self._head or self._buffer)[:_TAIL]).lstrip().startswith(b"{")

    def _passed(self, data: bytes) -> None:
        if not self._alerts:
            self._head += data[: _HEAD - len(self._head)]
            self._before += len(data)

    def _none(self) -> list[Alert | Fault]:
        head = bytes(self._head).strip()
        if not head:
            return []
        if self._before <= _HEAD:
            if head.startswith(b"{") and (wrapped := _in_json(head)) is not None:
                return wrapped
            if _is_multipart(head) or not isinstance(_element(head), Fault):
                return []  # a picture alone, or another document of the device such as a ResponseStatus
        return [Fault(f"no alert in {self._before} bytes", head)]


def _element(document: bytes) -> Alert | Fault:
    for encoding in _ENCODINGS:
        try:
            text = document.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        return Fault("an alert in an unknown encoding", document)
    try:
        return Alert(fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text)), document)
    except (ParseError, DefusedXmlException) as error:
        return Fault(f"broken XML: {type(error).__name__}", document)


def _is_multipart(body: bytes) -> bool:
    return body.startswith(b"--") and re.search(rb"(?i)^content-type:", body, re.MULTILINE) is not None


def _in_json(body: bytes) -> list[Alert | Fault] | None:
    """Alerts that stand within a JSON document, as escaped XML or as JSON themselves; None when it is no JSON."""
    try:
        document = msgspec.json.decode(body)
        return list(_within(document, body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # none of a device nests that deep
        return None


def _within(value: object, body: bytes) -> Iterator[Alert | Fault]:
    if isinstance(value, str) and _START.search(value.encode()):
        yield _element(value.encode())
    elif isinstance(value, dict) and "eventType" in value:
        yield Alert(_as_element("EventNotificationAlert", value), body)
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _within(inner, body)


def _as_element(name: str, value: object) -> Element:
    """JSON in the shape of the XML that says the same."""
    element = Element(name)
    if isinstance(value, dict):
        element.extend([_as_element(key, inner) for key, inner in value.items()])
    elif isinstance(value, bool):
        element.text = str(value).lower()
    elif isinstance(value, str | int | float):
        element.text = str(value)
    return element
