"""hikvision-acs: temperatures and punches come out of a terminal's events; names, cards and faces never do."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Receiver, Rejected, Request
from devices.hikvision_acs.simulator import event, messages, pushed
from devices.registry import driver
from devices.simulator import Message
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from records import to_json
from records.types import Punch, TempCheck
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import made
from tests.devices.web_device import LOGIN, password, serving, talking
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
PATIENCE_S = 60.0
ZONE = timezone(timedelta(hours=8))


def read(body: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("hikvision-acs", Context(), **settings), [body], AT)


def checks(items: list[Item]) -> list[tuple[float, str]]:
    data = [item.data for item in items if isinstance(item, Reading)]
    return [(one.celsius, one.verdict) for one in data if isinstance(one, TempCheck)]


def punches(items: list[Item]) -> list[Punch]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, Punch)]


def row(second: int, serial: int, employee: str = "101", celsius: float = 36.5, **more: Any) -> dict[str, Any]:
    """An event of a reply."""
    at = (AT - timedelta(hours=1) + timedelta(seconds=second)).astimezone(ZONE).isoformat()
    told = {"major": 5, "minor": 75, "time": at, "serialNo": serial, "employeeNoString": employee}
    return {**told, "thermometryUnit": "celsius", "currTemperature": celsius, **more}


def reply(rows: list[dict[str, Any]], status: str = "OK") -> bytes:
    return json.dumps({"AcsEvent": {"responseStatusStrg": status, "InfoList": rows}}).encode()


@needs_samples
def test_the_captured_reply_is_read_without_the_people() -> None:
    """Two checks, two punches; after cleaning no name, number, card or picture of the reply is left anywhere."""
    assert SHARED
    body = (SHARED / "samples/attendance/hik_acs_event_temperature_2024.json").read_bytes()
    items = read(body)
    assert checks(items) == [(36.6, "normal"), (36.4, "normal")]
    assert [punch.person for punch in punches(items)] == ["4366", "5054"]

    written = cleaned(items)
    people = {row["name"] for row in json.loads(body)["AcsEvent"]["InfoList"]} | {"4366", "5054", "192.168", "jpeg"}
    assert not [told for told in people if told in written]


def cleaned(items: list[Item]) -> str:
    """All that would be written of the items: records, what is set aside, state and identities."""
    policy, moment = Policy(bytes(32)), Moment(AT)
    lines: list[str] = []
    for item in items:
        told = clean(item, "door", policy, moment) if isinstance(item, Reading) else item
        lines.append(to_json(quarantine(told, "door") if isinstance(told, Rejected) else told).decode())
        lines.append(
            repr(dict(item.state)) + repr(item.raw) + (item.identity or "" if isinstance(item, Reading) else "")
        )
    return "\n".join(lines)


def test_no_person_is_in_anything_that_is_written() -> None:
    """Whole events and broken ones: no name, number, card or picture in records, state or rejects."""
    secret = {"name": "NAME-9001", "cardNo": "CARD-9001", "pictureURL": "http://192.0.2.20/FACE-9001.jpeg"}
    good = row(1, 1, "EMP-9001", 37.9, **secret)
    bodies = [
        reply([good, row(2, 2, "EMP-9001", 37.9, **secret)]),
        reply([{**good, "time": "EMP-9001"}, {**good, "time": None}]),
        reply([good])[:-9],
        pushed(event(AT, 3, "EMP-9001", 61.0, abnormal=True, status="checkIn")),
        b"EMP-9001 NAME-9001",
        json.dumps({"AcsEvent": {"InfoList": [good]}}).encode() * 2 + b'{"name": "NAME-9001"',
    ]
    for body in bodies:
        items = read(body)
        assert items
        assert "9001" not in cleaned(items)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([("a", 36.5), ("b", 37.6), ("b", 36.8)], ["normal", "suspect", "resolved"]),
        ([("a", 37.6), ("a", 37.7)], ["suspect", "confirmed"]),
        ([("a", 25.0)], ["invalid"]),
        ([("a", 37.6), ("b", 36.5), ("a", 37.7)], ["suspect", "normal", "confirmed"]),
        ([("", 37.6), ("", 36.5)], ["suspect", "resolved"]),
    ],
)
def test_verdicts(told: list[tuple[str, float]], expected: list[str]) -> None:
    """A second check is the same employee's, or the next unknown person's."""
    items = read(reply([row(10 * number, number, who, celsius) for number, (who, celsius) in enumerate(told)]))
    assert [verdict for _, verdict in checks(items)] == expected


def test_what_the_terminal_calls_abnormal_is_suspect() -> None:
    """Its threshold may be lower than ours."""
    assert checks(read(reply([row(1, 1, celsius=37.0, isAbnomalTemperature=True)]))) == [(37.0, "suspect")]


def test_units_are_turned_into_celsius() -> None:
    """Terminals measure in °F and K too; 0 is no temperature."""
    rows = [
        row(1, 1, celsius=98.6, thermometryUnit="fahrenheit"),
        row(2, 2, celsius=309.65, thermometryUnit="calvin"),
        row(3, 3, celsius=0),
    ]
    assert checks(read(reply(rows))) == [(37.0, "normal"), (36.5, "normal")]


@pytest.mark.parametrize(
    ("more", "settings", "direction"),
    [
        ({}, {}, "unknown"),
        ({"attendanceStatus": "checkIn"}, {}, "in"),
        ({"attendanceStatus": "breakOut"}, {"punches": "attendance"}, "out"),
        ({"attendanceStatus": "overtimeIn", "minor": 151}, {}, "in"),
        ({}, {"punches": "attendance"}, None),
        ({"attendanceStatus": "undefined"}, {"punches": "attendance"}, None),
        ({"attendanceStatus": "checkIn"}, {"punches": "none"}, None),
        ({"minor": 76}, {}, None),
        ({"userType": "visitor"}, {}, None),
        ({"employeeNoString": ""}, {}, None),
    ],
)
def test_what_is_a_punch(more: dict[str, Any], settings: dict[str, Any], direction: str | None) -> None:
    """Staff that was let in, or said that they come or go; never a refused face, a visitor or nobody."""
    found = punches(read(reply([row(1, 1, **more)]), **settings))
    assert [punch.direction for punch in found] == ([direction] if direction else [])


def test_an_event_has_one_identity_on_every_way() -> None:
    """Pushed and asked for, the same event is the same check and the same punch."""
    at = AT.astimezone(ZONE)
    by_push = read(pushed(event(at, 7, "101", 36.5, abnormal=False, status="checkIn")))
    told = {"time": at.isoformat(), "attendanceStatus": "checkIn", "cardReaderNo": 1}
    by_reply = read(reply([row(0, 7, "101", 36.5, **told)]))
    assert [item.identity for item in by_push if isinstance(item, Reading)] == [
        item.identity for item in by_reply if isinstance(item, Reading)
    ]
    assert punches(by_push) == punches(by_reply)


BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([pushed(event(AT, 1, "1", 36.5, abnormal=False, status="checkIn")), reply([row(1, 1)])]).flatmap(
        lambda body: st.integers(0, len(body)).map(lambda cut: body[:cut])
    ),
)


@given(body=BODIES, cuts=st.lists(st.integers(0, 1500), max_size=6))
def test_chunking_does_not_matter_and_nothing_breaks(body: bytes, cuts: list[int]) -> None:
    """However a body is sliced, wherever it is cut off, the same comes out."""
    pieces = pieces_of(body, cuts)
    assert fed(decoder_of("hikvision-acs", Context()), pieces, AT) == read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["AcsEvent", "InfoList", "major", "minor", "time", "currTemperature", "employeeNoString"]),
            inner,
        )
    ),
    max_leaves=15,
)


@given(document=JSON)
def test_whatever_an_event_holds_nothing_breaks(document: Any) -> None:
    """Fields of any type give readings, rejects or nothing."""
    for item in read(json.dumps(document).encode()):
        assert isinstance(item, Reading | Rejected)


def test_dashes_alone_are_no_boundary() -> None:
    """A body that begins like parts and names no boundary is set aside."""
    assert [type(item) for item in read(b'--\r\n  "mask": "yes",\n')] == [Rejected]


def test_a_huge_body_is_set_aside_and_forgotten() -> None:
    """The next body is read as if nothing had been."""
    device = decoder_of("hikvision-acs", Context())
    for _ in range(5):
        device.feed(bytes(2 << 20), AT)
    (rejected,) = device.end(AT)
    assert isinstance(rejected, Rejected)
    assert rejected.raw == b""
    assert checks(fed(device, [reply([row(1, 1)])], AT)) == [(36.5, "normal")]


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it pushes is taken, each answered 200."""
    package = driver("hikvision-acs")
    device = package.device(package.options.model_validate({"id": "d", "driver": "hikvision-acs"}), Context())
    assert isinstance(device, Receiver)
    items: list[Item] = []
    for message in islice(messages(Random(3), AT, timedelta(seconds=20)), 200):
        answer = device.receive(
            Request("POST", "/push/d", {}, {"content-type": message.content_type}, message.body), AT
        )
        assert answer.status == 200
        items += answer.items
    assert len(checks(items)) == 200
    assert len(punches(items)) == 200
    assert not [item for item in items if isinstance(item, Rejected)]


# --- asked ---------------------------------------------------------------------------------------------------------


def asking(url: str, state: dict[str, bytes] | None = None, **access: Any) -> Driver:
    return made("hikvision-acs", state, pull={"url": url, "timeout_s": 2, **access}, interval_s=1)


@contextmanager
def terminal(rows: list[dict[str, Any]], size: int = 2) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A terminal with these events, `size` to a page; and the questions that it was asked."""
    questions: list[dict[str, Any]] = []

    def talk(connection: socket.socket) -> None:
        said = b""
        while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < length(said):
            said += connection.recv(4096)
        assert said.startswith(b"POST /ISAPI/AccessControl/AcsEvent?format=json ")
        question = json.loads(said.partition(b"\r\n\r\n")[2])["AcsEventCond"]
        questions.append(question)
        since = datetime.fromisoformat(question["startTime"])
        wanted = [one for one in rows if datetime.fromisoformat(one["time"]) >= since]
        first = question["searchResultPosition"]
        page = wanted[first : first + size]
        body = reply(page, "MORE" if first + size < len(wanted) else "OK")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def length(said: bytes) -> int:
        head = said.partition(b"\r\n\r\n")[0].lower()
        return int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])

    with talking(talk) as url:
        yield url, questions


def taken(device: Driver, reads: int) -> list[Item]:
    """What so many reads bring, each confirmed."""
    items: list[Item] = []
    for _ in range(reads):
        told = device.read(2)
        items += told.items
        if told.confirm:
            told.confirm()
    return items


def recent(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with times of a moment ago, since only the last day is asked for."""
    now = datetime.now(ZONE).replace(microsecond=0)
    return [{**one, "time": (now - timedelta(seconds=60 - place)).isoformat()} for place, one in enumerate(rows)]


def test_pages_are_read_to_the_end_and_no_event_twice() -> None:
    """Five events in three pages; the next round brings only what is new, and so does the next start."""
    rows = recent([row(0, serial, str(serial)) for serial in range(1, 6)])
    with terminal(rows) as (url, questions):
        device = asking(url)
        device.open()
        items = taken(device, 3)
        assert [punch.person for punch in punches(items)] == ["1", "2", "3", "4", "5"]
        assert [question["searchResultPosition"] for question in questions] == [0, 2, 4]
        assert len({question["searchID"] for question in questions}) == 1

        rows.append({**rows[-1], "serialNo": 6, "employeeNoString": "6"})  # in the same second as the last
        again = taken(device, 2)
        assert [punch.person for punch in punches(again)] == ["6"]

        state: dict[str, bytes] = {}
        for item in [*items, *again]:
            state |= {key: value for key, value in item.state.items() if value is not None}
        restarted = asking(url, state)
        restarted.open()
        assert taken(restarted, 1) == []
        device.close()


def test_what_was_not_confirmed_is_asked_for_again() -> None:
    """A page whose records found no room comes again."""
    with terminal(recent([row(0, 1)])) as (url, _):
        device = asking(url)
        device.open()
        first = device.read(2)
        again = device.read(2)
        assert len(first.items) == len(again.items) == 2
        assert again.confirm
        again.confirm()
        device.close()


def test_a_digest_login_is_answered(tmp_path: Path) -> None:
    """The second question carries the answer to the challenge; a wrong password is told."""
    with serving() as way:
        saying = threading.Thread(target=way.say, args=(Message("serve", reply(recent([row(0, 1)]))),))
        saying.start()
        device = asking(way.url, user=LOGIN.user, password_file=password(tmp_path))
        device.open()
        items: list[Item] = []
        deadline = time.monotonic() + PATIENCE_S
        while not items:  # the message may have been put up after the first question
            assert time.monotonic() < deadline
            items = taken(device, 1)
        saying.join(PATIENCE_S)
        assert len(checks(items)) == 1
        wrong = asking(way.url, user=LOGIN.user, password_file=password(tmp_path, "soup"))
        with pytest.raises(DeviceOffline, match="refuses user and password"):
            wrong.open()


def test_a_terminal_that_always_says_more_is_asked_anew() -> None:
    """Pages without events end a question, whatever they promise."""
    with talking(answer(reply([], "MORE"))) as url:
        device = asking(url)
        device.open()
        assert taken(device, 2) == []
    with pytest.raises(DeviceOffline):
        device.open()


def answer(body: bytes) -> Any:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return talk
