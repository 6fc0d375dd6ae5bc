"""Events in what a Hikvision access terminal says: AccessControllerEvent pushes, and AcsEvent replies.

A push is JSON, or multipart with the JSON as a part and pictures of the face as others; a reply is JSON with a list:

    {"eventType": "AccessControllerEvent", "dateTime": "…+08:00", "AccessControllerEvent": {"majorEventType": 5,
     "subEventType": 75, "employeeNoString": "…", "currTemperature": 36.5, "isAbnomalTemperature": false, …}}
    {"AcsEvent": {"responseStatusStrg": "MORE", "InfoList": [{"major": 5, "minor": 75, "time": "…+08:00", …}]}}

`isAbnomalTemperature` is the terminals' own spelling. Only the fields of `Event` are ever taken out: names, cards,
pictures and where the face was fall away here, with the bytes that held them. Sources: replies and pushes of terminals
of 2020 to 2024; what is said of minor numbers, the ISAPI documents that installers have published.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from devices.json_documents import Document, Documents

MAX_BODY = 8 * 1024 * 1024
_BLANK = re.compile(rb"\r?\n\r?\n")
_DEEPEST = 6
_EVENT_KEYS = {"majorEventType", "major", "subEventType", "currTemperature"}
_GUESTS = ("visitor", "blackList")


class Event(NamedTuple):
    """One event of a terminal, of whatever kind; None is not said.

    celsius is in °C whatever the terminal's unit; serial: the terminal's number of the event, which begins again when
    it is wiped; employee: the staff's number, which must leave this process only under a pseudonym
    """

    at: str
    major: int | None
    minor: int | None
    serial: int | None
    reader: int | None
    employee: str | None
    visitor: bool
    celsius: float | None
    abnormal: bool
    attendance: str | None


class Fault(NamedTuple):
    """What could not be read. Its bytes may hold a name or a face, so that none are kept."""

    reason: str


class Page(NamedTuple):
    """What a body held. more: a reply that says there are more events behind these."""

    events: tuple[Event, ...]
    faults: tuple[Fault, ...] = ()
    more: bool = False


def page_of(body: bytes) -> Page:
    """The events of a push or a reply, or of several one after the other."""
    documents, faults = _documents(body)
    if not documents and not faults and body.strip() and not _boundary(body):
        faults.append(Fault(f"no JSON in {len(body)} bytes of a terminal"))
    found = [event for document in documents for event in _events(document, {}, 0)]
    faults += [Fault("an event without a time") for event in found if not event.at]
    return Page(tuple(event for event in found if event.at), tuple(faults), any(map(_has_more, documents)))


def _documents(body: bytes) -> tuple[list[dict[str, Any]], list[Fault]]:
    documents: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for text in _texts(body):
        parser = Documents()
        for found in [*parser.feed(text), *parser.end()]:
            if isinstance(found, Document):
                entries = found.value if isinstance(found.value, list) else [found.value]
                documents += [entry for entry in entries if isinstance(entry, dict)]
            else:
                faults.append(Fault(found.reason))
    return documents, faults


def _boundary(body: bytes) -> bytes:
    """What parts a multipart body; empty for any other, and for dashes alone."""
    first = body.lstrip().split(b"\n", 1)[0].strip()
    return first.removesuffix(b"--") if first.startswith(b"--") else b""


def _texts(body: bytes) -> Iterator[bytes]:
    """The body, or those of its parts that are JSON: pictures are not looked into."""
    if not (boundary := _boundary(body)):
        yield body
        return
    for part in body.split(boundary):
        head = _BLANK.search(part)
        content = part[head.end() :] if head else b""
        if content.lstrip().startswith((b"{", b"[")):
            yield content.rstrip()


def _has_more(document: Mapping[str, Any]) -> bool:
    reply = document.get("AcsEvent")
    return isinstance(reply, dict) and reply.get("responseStatusStrg") == "MORE"


def _events(value: Mapping[str, Any], around: Mapping[str, Any], depth: int) -> Iterator[Event]:
    """Every event in a document; what holds a push's event says its time."""
    if _EVENT_KEYS & value.keys():
        yield _event({**around, **value})
        return
    outer = {key: value[key] for key in ("dateTime",) if key in value}
    for inner in value.values() if depth < _DEEPEST else ():
        for entry in inner if isinstance(inner, list) else [inner]:
            if isinstance(entry, dict):
                yield from _events(entry, outer, depth + 1)


def _event(told: Mapping[str, Any]) -> Event:
    attendance = told.get("attendanceStatus")
    return Event(
        _text(told.get("time")) or _text(told.get("dateTime")) or "",
        _whole(told, "major", "majorEventType"),
        _whole(told, "minor", "subEventType"),
        _whole(told, "serialNo"),
        _whole(told, "cardReaderNo"),
        _text(told.get("employeeNoString")) or _text(told.get("employeeNo")),
        _text(told.get("userType")) in _GUESTS,
        _celsius(told),
        told.get("isAbnomalTemperature") is True or told.get("isAbnormalTemperature") is True,
        attendance if isinstance(attendance, str) and attendance not in ("", "undefined") else None,
    )


def _text(value: object) -> str | None:
    """A terminal says an employee's number as text or as a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value else None
    return value.strip() or None if isinstance(value, str) else None


def _whole(told: Mapping[str, Any], *names: str) -> int | None:
    found = (told[name] for name in names if name in told)
    return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)


def _celsius(told: Mapping[str, Any]) -> float | None:
    """None where the terminal took no temperature, which some say as 0."""
    value = told.get("currTemperature")
    try:
        degrees = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        return None
    if not math.isfinite(degrees) or degrees == 0:
        return None
    match _text(told.get("thermometryUnit")):
        case "fahrenheit":
            return round((degrees - 32) / 1.8, 2)
        case "calvin" | "kelvin":  # the first is the terminals' spelling
            return round(degrees - 273.15, 2)
    return degrees
