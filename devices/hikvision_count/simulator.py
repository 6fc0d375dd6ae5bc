"""What a counting camera over a door pushes: every minute what its interval counted, as multipart with a picture."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from random import Random

from devices.simulator import Message

_BOUNDARY = "MIME_boundary"
_CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
_ZONE = timezone(timedelta(hours=8))
_MAC = "44:47:cc:00:00:01"
_PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\xff\xd9"

_ALERT = """<?xml version="1.0" encoding="UTF-8"?>\r
<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">\r
<ipAddress>192.0.2.10</ipAddress>\r
<portNo>80</portNo>\r
<protocol>HTTP</protocol>\r
<macAddress>{mac}</macAddress>\r
<channelID>1</channelID>\r
<dateTime>{end}</dateTime>\r
<activePostCount>1</activePostCount>\r
<eventType>PeopleCounting</eventType>\r
<eventState>active</eventState>\r
<eventDescription>peopleCounting alarm</eventDescription>\r
<channelName>Door</channelName>\r
<peopleCounting>\r
<statisticalMethods>timeRange</statisticalMethods>\r
<TimeRange>\r
<startTime>{begin}</startTime>\r
<endTime>{end}</endTime>\r
</TimeRange>\r
<enter>{enter}</enter>\r
<exit>{leave}</exit>\r
<regionsID>1</regionsID>\r
</peopleCounting>\r
<isDataRetransmission>false</isDataRetransmission>\r
</EventNotificationAlert>\r
"""


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless intervals of a `step`, which is a minute at least: the camera knows no shorter one."""
    step = max(step, timedelta(minutes=1))
    inside = 0
    while True:
        enter = min(rng.randrange(8), rng.randrange(8))
        leave = rng.randint(0, min(inside + enter, 8))
        inside += enter - leave
        yield Message("push", _multipart(alert(at, at + step, enter, leave)), content_type=_CONTENT_TYPE)
        at += step


def alert(begin: datetime, end: datetime, enter: int, leave: int) -> bytes:
    """One interval's alert, as a camera in China words it."""
    times = {"begin": _iso(begin), "end": _iso(end)}
    return _ALERT.format(mac=_MAC, enter=enter, leave=leave, **times).encode()


def _iso(at: datetime) -> str:
    return at.astimezone(_ZONE).isoformat(timespec="seconds")


def _multipart(document: bytes) -> bytes:
    parts = (("peopleCounting.xml", "application/xml", document), ("picture.jpg", "image/jpeg", _PICTURE))
    return b"".join(_part(*part) for part in parts) + f"--{_BOUNDARY}--\r\n".encode()


def _part(name: str, kind: str, body: bytes) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
    return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body + b"\r\n"
