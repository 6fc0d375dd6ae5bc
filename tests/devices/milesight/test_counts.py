"""milesight: every visitor counts once, whatever frames are lost or come again."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from itertools import islice, pairwise
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, Reading, Receiver, Rejected, Request
from devices.json_documents import MAX_DOCUMENT
from devices.milesight import channels, makers
from devices.milesight.simulator import messages, payload
from devices.registry import driver
from records.types import TempAmbient, ZoneOccupancy
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.milesight.uplinks import AT, MINUTE, NINE, counts, data, frame, period, read, short_total

BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [frame(1, period(2, 1)), period(3, 3), b"05CC02000100\n05cc01000000", b"{", b'{"data": 7}', b"[[]]"]
    ),
)


@given(body=BODIES, cuts=st.lists(st.integers(0, 300), max_size=6))
def test_chunking_does_not_matter(body: bytes, cuts: list[int]) -> None:
    """However a body comes in, the same counts come out."""
    pieces = pieces_of(body, cuts)
    one, other = decoder_of("milesight", Context()), decoder_of("milesight", Context())
    assert fed(one, pieces, AT) == fed(other, [body], AT)


@given(noise=st.binary(max_size=80), port=st.none() | st.integers(0, 255))
def test_noise_is_never_more_than_set_aside(noise: bytes, port: int | None) -> None:
    """Whatever bytes a payload has, each codec says something or nothing, and takes no more than there is."""
    said = channels.decode(noise)
    assert said is None or noise.endswith(said.rest)
    makers.guess(noise, port)
    for maker in ("adeunis", "browan", "dragino", "elsys", "hkt", "imbuildings", "pipiot", "yosensi"):
        makers.decode(maker, noise)


def test_totals_bring_what_lost_frames_counted() -> None:
    """The first is told by its period; then frames may be lost, the sum is that of the totals."""
    items = read(
        frame(1, payload((100, 90), (2, 1))),
        frame(2, payload((103, 90), (3, 0))),
        frame(6, payload((150, 120), (4, 4))),
        frame(7, payload((150, 121), (0, 1))),
    )
    assert counts(items) == [(2, 1), (3, 0), (47, 30), (0, 1)]
    assert [count.gap for count in data(items)] == [False] * 4
    assert all(before.to == after.from_ for before, after in pairwise(data(items)))
    assert {count.line for count in data(items)} == {"door"}


def test_totals_alone_begin_with_a_gap_and_may_fall_or_run_over() -> None:
    """16 bits of a VS350: over the end is counted through, a fall from lower down is a reset."""
    items = read(
        frame(1, short_total(65_530, 7)),
        frame(2, short_total(4, 9)),
        frame(3, short_total(2000, 9)),
        frame(4, short_total(1, 0)),
    )
    assert counts(items) == [(0, 0), (10, 2), (1996, 0), (1, 0)]
    assert [(count.gap, count.resumed) for count in data(items)] == [
        (True, False),
        (False, False),
        (False, False),
        (False, True),
    ]


def test_periods_alone_are_counts_and_missing_frames_are_gaps() -> None:
    """Nothing tells what a lost frame counted, only that it is missing; frames without counts pass it on."""
    battery = b"\x01\x75\x64"
    items = read(
        frame(1, period(2, 1)),
        frame(2, period(0, 0)),
        frame(4, battery),
        frame(5, period(3, 0)),
        frame(6, period(1, 1)),
    )
    assert counts(items) == [(2, 1), (0, 0), (3, 0), (1, 1)]
    assert [count.gap for count in data(items)] == [False, False, True, False]
    assert data(items)[1].from_ == NINE + MINUTE


def test_a_sensor_that_joins_anew_is_no_gap_and_no_repeat() -> None:
    """Frame numbers begin again with a new session; the server's time tells."""
    items = read(frame(900, period(2, 1), 1), frame(0, period(1, 0), 2), frame(1, period(4, 0), 3))
    assert counts(items) == [(2, 1), (1, 0), (4, 0)]
    assert not any(count.gap for count in data(items))


def test_frames_that_come_again_or_late_count_nobody_twice() -> None:
    """Totals of an older frame are dropped; the period of one keeps the identity it had."""
    totals = [frame(n, payload((100 + n, 90), (1, 0))) for n in range(5)]
    assert counts(read(*totals, totals[1], totals[4], frame(5, payload((107, 90), (3, 0))))) == [(1, 0)] * 5 + [(3, 0)]
    periods = [frame(n, period(n, 0)) for n in range(1, 4)]
    items = read(*periods, periods[0], frame(4, period(9, 0)))
    identities = [cast(Reading, item).identity for item in items]
    assert identities[0] == identities[3]
    assert len(set(identities)) == 4
    assert not data(items)[-1].gap


def test_periods_and_totals_of_one_line_are_never_added() -> None:
    """In uplinks of their own, whichever comes first; after a day without totals periods count again."""
    both = [frame(n, payload((100 + 2 * n, 50), (2, 0))[:12] if n % 2 else period(4, 0)) for n in range(12)]
    told = data(read(*both))
    assert told[0].in_ == 4  # before the first total
    assert not told[1].gap
    assert sum(count.in_ for count in told[1:]) == 20
    items = read(frame(1, short_total(5, 5)), frame(2, period(1, 0), 60), frame(3, period(2, 0), 60 * 25))
    assert counts(items) == [(0, 0), (2, 0)]
    assert counts(
        read(frame(1, short_total(5, 5)), frame(2, period(2, 0), 1500), frame(3, short_total(9, 9), 1501))
    ) == [
        (0, 0),
        (2, 0),
        (0, 0),
    ]


def test_lines_and_sensors_are_apart() -> None:
    """Four lines of one sensor, and another sensor at the same gateway."""
    lines = b"".join(
        bytes((first, 0xD2)) + n.to_bytes(4, "little") + bytes((first + 1, 0xD2)) + n.to_bytes(4, "little")
        for n, first in enumerate((3, 6, 9, 12), 10)
    )
    more = lines.replace(b"\x0b\0\0\0", b"\x0f\0\0\0")
    other = (
        frame(9, payload((70, 70), (0, 0))).replace(b"24E124716B000001", b"24E124716B000002").replace(b'"door"', b'"b"')
    )
    items = read(frame(1, lines), other, frame(2, more))
    four = ["door", "door/2", "door/3", "door/4"]
    assert [count.line for count in data(items)] == [*four, "b", *four]
    assert counts(items)[5:] == [(0, 0), (4, 4), (0, 0), (0, 0)]


def test_kept_reports_count_at_their_own_time() -> None:
    """What a sensor could not send comes later with its time, and only where no total has told it."""
    moment = int(NINE.timestamp()).to_bytes(4, "little")
    kept = b"\x20\xce" + moment + b"\0" + period(11, 4)[2:] + b"\x20\xce" + moment + b"\1" + period(7, 2)[2:] + bytes(4)
    first, second = data(read(kept))
    assert (first.in_, first.out, first.to, first.from_) == (11, 4, NINE, None)
    assert (second.in_, second.out) == (7, 2)
    assert counts(read(frame(1, short_total(50, 50)), frame(2, kept))) == [(0, 0)]
    assert counts(read(b"\x20\xce" + moment + b"\x77" + bytes(4))) == []


def test_what_is_remembered_survives_a_restart() -> None:
    """Totals, frame numbers and odd events go on where they were."""
    state: dict[str, bytes] = {}

    def push(body: bytes) -> list[tuple[int, int]]:
        items = read(body, context=Context(state=dict(state)))
        for item in items:
            state.update({key: value for key, value in item.state.items() if value is not None})
        return counts(items)

    assert push(frame(1, payload((100, 90), (2, 1)))) == [(2, 1)]
    assert push(frame(9, payload((107, 92), (0, 0)))) == [(7, 2)]
    assert push(frame(1, payload((100, 90), (2, 1)))) == []


def test_events_without_direction_are_halved_and_nothing_is_lost() -> None:
    """Doors opened: two are one in and one out, what is left over waits."""
    opened = [b"hkt\0\7\x26" + n.to_bytes(2, "big") * 2 + bytes(8) for n in (3, 2, 0, 1)]
    assert counts(read(*opened, codec="hkt"))[0] == (1, 1)
    periods = [b"\0\x8d" + n.to_bytes(2, "big") + bytes(8) for n in (3, 2, 0, 1)]
    assert counts(read(*periods, codec="pipiot")) == [(1, 1), (1, 1), (0, 0), (1, 1)]
    closed = [b"\x01\x7b\x34\0\0" + n.to_bytes(3, "little") for n in ((1 << 24) - 2, 2, 10)]
    assert counts(read(*closed, codec="browan")) == [(0, 0), (1, 1), (2, 2)]


def test_a_port_tells_layouts_apart() -> None:
    """What has the size of a maker's payload and comes on another port is nobody's."""
    body = bytes.fromhex("8c960100000200001200")
    for port, kind in ((2, Reading), (10, Reading), (77, Rejected)):
        document = {"devEUI": "a", "fCnt": 1, "fPort": port, "data": b64encode(body).decode()}
        assert [type(item) for item in read(json.dumps(document).encode())] == [kind]


SERVERS = {
    "chirpstack-4": {
        "deviceInfo": {"deviceName": "door", "devEui": "a"},
        "time": "2026-11-21T09:00:00Z",
        "fCnt": 1,
        "fPort": 85,
        "data": b64encode(period(2, 1)).decode(),
        "object": {"period_in": 9, "period_out": 9},
    },
    "chirpstack-3": {"devEUI": "YQ==", "deviceName": "door", "fCnt": 1, "objectJSON": '{"people_in":2,"people_out":1}'},
    "things-stack": {
        "end_device_ids": {"device_id": "door", "dev_eui": "A"},
        "received_at": "2026-11-21T09:00:00.123456789Z",
        "uplink_message": {
            "f_port": 85,
            "f_cnt": 1,
            "decoded_payload": {"line_1_period_in": 2, "line_1_period_out": 1},
        },
    },
    "gateway-decoded": {"devEUI": "a", "deviceName": "door", "periodic_counter_in": 2, "periodic_counter_out": 1},
    "gateway-hex": {"devEUI": "a", "deviceName": "door", "data": period(2, 1).hex()},
    "list": [{"deviceName": "door", "payloadHex": period(2, 1).hex().upper(), "port": 1}],
}


@pytest.mark.parametrize("name", SERVERS)
def test_every_servers_document_is_read(name: str) -> None:
    """The payload is believed before what the server made of it; without one its values are taken."""
    (count,) = data(read(json.dumps(SERVERS[name]).encode()))
    assert (count.in_, count.out, count.line) == (2, 1, "door")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"hello", "no known sensor"),
        (b'{"devEUI": "a", "data": "####"}', None),
        (b'{"deviceInfo": {"devEui": "a"}, "devAddr": "0"}', None),
        (b'{"hello": 1}', "without an uplink"),
        (b'{"devEUI": "a"', "cut off"),
        (frame(1, b"\x77\x77\x77"), "no known sensor"),
        (frame(1, b"\x01\x75\x64\x77\x77"), "last 2 bytes"),
        (frame(1, period(1, 1)[:4]), "no known sensor"),
        (b"[" * 50 + b"]" * 50, "without an uplink"),
        (b"{" + b"x" * MAX_DOCUMENT, "larger"),
    ],
)
def test_what_is_broken_is_set_aside(body: bytes, reason: str | None) -> None:
    """Each fault is one reject that says what is wrong; what a server says beside uplinks is none."""
    items = read(body)
    if reason is None:
        assert items == []
        return
    (item,) = items
    assert isinstance(item, Rejected)
    assert reason in item.reason


def test_an_answer_to_the_server_hides_no_count() -> None:
    """What a sensor answers to a downlink has no known length, and is passed over with what follows."""
    assert counts(read(period(2, 1) + b"\xff\x8e\0\x0a\0")) == [(2, 1)]
    assert read(b"\xfe\x03\x0a\0") == []


def test_temperature_and_people_in_view_are_told() -> None:
    """A VS350 in a cold lobby, a VS121 above a queue."""
    cold, seen = read(frame(1, b"\x03\x67\xf6\xff"), frame(2, b"\x04\xc9\x03\x03\0\x02"))
    assert isinstance(cold, Reading)
    assert isinstance(seen, Reading)
    assert cold.data == TempAmbient(celsius=-1.0, probe="door")
    assert seen.data == ZoneOccupancy("door", 3)


def test_a_push_brings_its_counts_and_is_answered() -> None:
    """Counts, noise and an empty try are all answered 200."""
    package = driver("milesight")
    device = cast(Receiver, package.device(package.options.model_validate({"id": "d", "driver": "x"}), Context()))
    for body, kinds in ((frame(1, period(1, 1)), [Reading]), (b"noise", [Rejected]), (b"", [])):
        answer = device.receive(Request("POST", "/push/d", {}, {}, body), AT)
        assert (answer.status, [type(item) for item in answer.items]) == (200, kinds)


def test_the_simulator_speaks_the_protocol() -> None:
    """A day of quarters: every uplink decodes, and they follow each other."""
    quarter = timedelta(minutes=15)
    told = data(read(*(message.body for message in islice(messages(Random(3), NINE, quarter), 80))))
    assert len(told) == 80
    assert all(before.to == after.from_ for before, after in pairwise(told))
    assert not any(count.gap or count.resumed for count in told)
    assert sum(count.in_ for count in told) > 0
