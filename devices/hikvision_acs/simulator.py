"""A terminal at the staff door that pushes its events: who came, with a face, and how warm. The people are numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message

_BOUNDARY = "MIME_boundary"
_PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF{[\x00\xff\xd9"


def event(
    at: datetime, serial: int, employee: str, celsius: float, *, abnormal: bool, status: str
) -> dict[str, object]:
    """The document of one event; name and picture are what cleaning must never see."""
    return {
        "ipAddress": "192.0.2.20",
        "macAddress": "44:47:cc:00:00:02",
        "dateTime": at.isoformat(timespec="seconds"),
        "eventType": "AccessControllerEvent",
        "eventState": "active",
        "AccessControllerEvent": {
            "deviceName": "staff door",
            "majorEventType": 5,
            "subEventType": 75,
            "name": f"NAME-{employee}",
            "cardReaderNo": 1,
            "employeeNoString": employee,
            "serialNo": serial,
            "userType": "normal",
            "currentVerifyMode": "cardOrFace",
            "attendanceStatus": status,
            "mask": "yes",
            "thermometryUnit": "celsius",
            "currTemperature": celsius,
            "isAbnomalTemperature": abnormal,
        },
    }


def pushed(document: dict[str, object]) -> bytes:
    """As the terminal posts it: the document, and the picture of the face."""
    text = json.dumps(document, indent=1).encode()
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="event_log"\r\nContent-Type: application/json\r\n'
    face = f'\r\n--{_BOUNDARY}\r\nContent-Disposition: form-data; name="Picture"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head.encode() + b"\r\n" + text + face.encode() + _PICTURE + f"\r\n--{_BOUNDARY}--\r\n".encode()


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless events, a `step` apart (a second at least)."""
    step, serial = max(step, timedelta(seconds=1)), 1000
    while True:
        at, serial = at + step, serial + 1
        abnormal = rng.random() < 0.02
        celsius = round(rng.uniform(37.4, 39), 1) if abnormal else round(rng.gauss(36.4, 0.2), 1)
        status = rng.choice(["checkIn", "checkOut", "undefined"])
        body = pushed(event(at, serial, str(rng.randrange(100, 130)), celsius, abnormal=abnormal, status=status))
        yield Message("push", body, content_type=f"multipart/form-data; boundary={_BOUNDARY}")
