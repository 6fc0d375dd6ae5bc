"""What sensors know of people: recorded bytes through decoder, cleaning and recorder; what is on disk, and what
headquarters reads, names nobody."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devices.driver import Context
from devices.registry import driver
from edge_agent.cleaning import Policy as Cleaning
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.recorder.desk import Desk
from edge_agent.station import Station
from records import to_json
from records.types import Punch, Quarantine, TempCheck
from tests.edge_agent.boxes import TestBox, folder_bytes
from tests.edge_agent.test_recorder import running
from tests.samples import SHARED, needs_samples

KEY = bytes(range(32))
AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


class Known(NamedTuple):
    """What a device says, and what of it is about people. settings: of the driver."""

    driver: str
    bodies: list[bytes]
    secrets: set[str]
    settings: dict[str, Any]


def shared(name: str) -> Any:
    assert SHARED
    return json.loads((SHARED / "samples" / name).read_text(encoding="utf-8"))


def face_terminal() -> Known:
    """Names, employees' numbers, addresses of pictures of faces; where in the picture the face is."""
    reply = shared("attendance/hik_acs_event_temperature_2024.json")
    events = reply["AcsEvent"]["InfoList"]
    told = ("name", "employeeNoString", "pictureURL", "thermalPicUrl")
    secrets = {event[field] for event in events for field in told} | {"acsLinkCap", "FaceRect"}
    return Known("hikvision-acs", [json.dumps(reply).encode()], secrets, {})


def time_clock() -> Known:
    """Numbers, a name and a password in real packets: a punch, and a user whom another program enters."""
    rows = [row for row in shared("attendance/zk_tcp_packets.json") if row["checksum_ok"]]
    return Known(
        "zkteco", [bytes.fromhex(row["hex"]) for row in rows], {"999111333", "Nuevo", "11224488"}, {"host": "192.0.2.9"}
    )


def pushing_clock() -> Known:
    """The log with a number, and tables with names, cards and a photo, which nobody asked for."""
    head = b"POST /iclock/cdata?SN=A1&table=%s HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    tables = {
        b"ATTLOG": b"EMP-9001\t2026-11-21 08:59:01\t0\t15\t0\t0\n",
        b"OPERLOG": b"USER PIN=EMP-9001\tName=NAME-9001\tCard=CARD-9001\tPasswd=PASS-9001\n",
        b"ATTPHOTO": b"PIN=20261121-EMP-9001.jpg\0\xff\xd8FACE-9001",
    }
    bodies = [head % (name, len(body)) + body for name, body in tables.items()]
    return Known("zkteco-push", bodies, {"9001"}, {})


def wifi_probe() -> Known:
    """Addresses of phones, and the networks that they are in."""
    report = shared("wifi_probe/datasky_ds006_report.json")
    seen = report["data"]
    crowd = [{"mac": f"10:9f:4f:69:75:{number:02x}", "rssi": "-60", "range": "3"} for number in range(40)]
    secrets = {one["mac"] for one in [*seen, *crowd]} | {one["router"] for one in seen if "router" in one}
    bodies = [json.dumps({**report, "data": rows}).encode() for rows in (seen, crowd, seen)]
    return Known("wifi-probe", bodies, secrets, {"enabled": True})


EVERY = (face_terminal, time_clock, pushing_clock, wifi_probe)


def take(known: Known, desk: Desk, key: bytes) -> None:
    """Everything that the device says, and each body once more with its end cut off."""
    package = driver(known.driver)
    options = package.options.model_validate({"id": "device", "driver": known.driver, **known.settings})
    station, intake = Station("device", known.driver, SystemClock()), Intake(desk, Cleaning(key), SystemClock())
    for body in [*known.bodies, *(body[:-7] for body in known.bodies)]:
        decoder = package.decoder(options, Context())
        items = [*decoder.feed(body, AT), *decoder.end(AT)]
        intake.take(station, items, waits=False).result(60)


def stored(folder: Path, known: Known, key: bytes = KEY) -> Iterator[Any]:
    """What headquarters reads of it, record by record; `folder` keeps the box's file."""
    box = TestBox()
    folder.mkdir(exist_ok=True)
    with running(folder, box) as (desk, _):
        take(known, desk, key)
    with running(folder, box) as (desk, _):
        epochs = desk.ask(lambda buffer: [epoch for (epoch,) in buffer._db.all("SELECT epoch FROM epoch")])
        found = box.read([*desk.headers(epochs), *desk.parcels(frozenset(), 1000)])
    yield from found.values()


@needs_samples
@pytest.mark.parametrize("case", EVERY, ids=[case.__name__ for case in EVERY])
def test_nobody_is_named_on_disk_or_at_headquarters(case: Any, tmp_path: Path) -> None:
    """Neither name, number, card, picture nor address: not in records, set-aside bytes, state, logs or the file."""
    known = case()
    records = list(stored(tmp_path, known))
    assert len(records) > 1
    text = "\n".join(to_json(record).decode() for record in records)
    raw = b"".join(b64decode(record.data.raw) for record in records if isinstance(record.data, Quarantine))
    for secret in known.secrets:
        bare = re.sub(r"[:]", "", secret)
        for form in {secret, bare, bare.upper(), json.dumps(secret)[1:-1]}:
            assert form not in text, form
            assert form.encode() not in raw, form
            assert form.encode() not in folder_bytes(tmp_path), form


@needs_samples
def test_a_person_is_the_same_on_every_device_and_after_every_restart(tmp_path: Path) -> None:
    """A pseudonym is of the person and the chain's key: terminals of two makers agree, another key knows nobody."""
    face = face_terminal()
    number = shared("attendance/hik_acs_event_temperature_2024.json")["AcsEvent"]["InfoList"][0]["employeeNoString"]
    body = f"{number}\t2026-11-21 08:59:01\t0\t15\t0\t0\n".encode()
    head = b"POST /iclock/cdata?SN=A1&table=ATTLOG HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    clock = Known("zkteco-push", [head + body], set(), {})
    people = []
    for place, known, key in (("a", face, KEY), ("b", clock, KEY), ("c", face, KEY), ("d", face, bytes(32))):
        data = [record.data for record in stored(tmp_path / place, known, key)]
        punches = {each.person for each in data if isinstance(each, Punch)}
        people.append(punches | {each.subject for each in data if isinstance(each, TempCheck)})
    first, second, again, strangers = people
    assert second < first == again
    assert len(second) == 1
    assert not first & strangers
