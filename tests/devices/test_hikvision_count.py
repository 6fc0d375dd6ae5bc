"""hikvision-count: pushes become the increase at each door, and nobody is counted twice."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from socket import socket
from threading import Event
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Receiver, Rejected, Request
from devices.hikvision_count.frames import MAX_ALERT
from devices.hikvision_count.simulator import alert, messages
from devices.registry import driver
from records import ClockQuality
from records.types import DoorCount
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.web_device import LOGIN, asked, password, talking, until
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
QUARTER = timedelta(minutes=15)

TOTAL = """<EventNotificationAlert version="1.0" xmlns="urn:psialliance-org"><macAddress>44:47:cc:00:00:01</macAddress>
<channelID>1</channelID><eventType>PeopleCounting</eventType><peopleCounting><statisticalMethods>realTime</statisticalMethods>
<RealTime><time>{time}</time></RealTime><enter>{enter}</enter><exit>{leave}</exit></peopleCounting>{more}</EventNotificationAlert>"""


def total(minute: float, enter: int, leave: int, more: str = "") -> bytes:
    time = (NINE + timedelta(minutes=minute)).isoformat()
    return TOTAL.format(time=time, enter=enter, leave=leave, more=more).encode()


def read(*alerts: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("hikvision-count", Context(), **settings), alerts, AT)


def counts(items: list[Item]) -> list[tuple[int, int]]:
    return [(item.data.in_, item.data.out) for item in items if isinstance(item, Reading)]  # type: ignore[attr-defined]


def only(items: list[Item]) -> tuple[Reading, DoorCount]:
    (item,) = items
    assert isinstance(item, Reading), item
    assert isinstance(item.data, DoorCount)
    return item, item.data


BODIES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                alert(NINE, NINE + QUARTER, 3, 1),
                total(1, 5, 5),
                b"<EventNotificationAlert>",
                b"</EventNotificationAlert>",
                b"--MIME_boundary\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8",
                b'{"body": "<EventNotificationAlert>"}',
                b"y" * (MAX_ALERT + 3),
            ]
        ),
    ),
    max_size=6,
).map(b"".join)


@given(body=BODIES, cuts=st.lists(st.integers(0, 4000), max_size=8))
def test_chunking_does_not_matter(body: bytes, cuts: list[int]) -> None:
    """However the body comes in, the same counts come out."""
    pieces = pieces_of(body, cuts)

    assert read(*pieces) == read(body)


def test_an_interval_is_its_own_count() -> None:
    """timeRange alerts carry the people of their interval, at the camera's own time."""
    reading, count = only(read(alert(NINE, NINE + QUARTER, 7, 4)))

    assert count == DoorCount(7, 4, NINE, NINE + QUARTER, "1")
    assert (reading.at, reading.clock) == (NINE + QUARTER, ClockQuality.SOURCE)


def test_an_alert_sent_again_has_the_same_identity() -> None:
    """Late and repeated alerts are told by camera, channel, region and interval."""
    first, _ = only(read(alert(NINE, NINE + QUARTER, 7, 4)))
    late = alert(NINE, NINE + QUARTER, 7, 4).replace(b"ssion>false", b"ssion>true")
    again, _ = only(read(late))
    other, _ = only(read(alert(NINE + QUARTER, NINE + 2 * QUARTER, 7, 4)))

    assert late != alert(NINE, NINE + QUARTER, 7, 4)
    assert first.identity == again.identity
    assert first.identity != other.identity


def test_totals_are_told_as_increase() -> None:
    """The first total says only from where; a fall is a reset, and what it shows was counted since."""
    items = read(total(0, 70, 75), total(1, 73, 75), total(2, 73, 76), total(3, 2, 1), total(4, 3, 1))

    assert counts(items) == [(0, 0), (3, 0), (0, 1), (2, 1), (1, 0)]
    told = [cast(DoorCount, item.data) for item in items if isinstance(item, Reading)]
    assert [count.resumed for count in told] == [False, False, False, True, False]
    assert [count.gap for count in told] == [True, False, False, False, False]
    assert all(before.to == after.from_ for before, after in pairwise(told))


def test_old_totals_are_dropped() -> None:
    """A total older than the last, or sent again late, is no reset."""
    late = "<isDataRetransmission>true</isDataRetransmission>"
    assert counts(read(total(0, 70, 70), total(5, 80, 70), total(3, 75, 70), total(6, 60, 60, late))) == [
        (0, 0),
        (10, 0),
    ]


def test_the_last_total_survives_a_restart() -> None:
    """What is committed with a reading lets the next start tell the increase."""
    (first,) = read(total(0, 70, 75))
    state = {key: value for key, value in first.state.items() if value is not None}
    again = decoder_of("hikvision-count", Context(state=state))

    assert counts(list(again.feed(total(9, 74, 75), AT))) == [(4, 0)]


def test_intervals_and_totals_are_never_added() -> None:
    """Whichever comes first, and however long both go on, each person is counted once."""
    intervals = [alert(NINE + n * QUARTER, NINE + (n + 1) * QUARTER, 5, 0) for n in range(4)]
    totals = [total(15 * n + 14, 100 + 5 * (n + 1), 0) for n in range(4)]
    mixed = [one for pair in zip(totals, intervals, strict=True) for one in pair]

    assert sum(in_ for in_, _ in counts(read(*mixed))) == 20
    assert sum(in_ for in_, _ in counts(read(total(-1, 100, 0), *mixed))) == 20
    assert sum(in_ for in_, _ in counts(read(total(-1, 100, 0), *mixed, statistics="realTime"))) == 20
    assert sum(in_ for in_, _ in counts(read(*mixed, statistics="timeRange"))) == 20


def test_channels_and_regions_are_lines_of_their_own() -> None:
    """A recorder's channel 34 is its second camera; totals of one line never touch another's."""
    other = total(1, 5, 5).replace(b"<channelID>1<", b"<channelID>34<")
    region = total(2, 9, 9).replace(b"<enter>", b"<regionsID>2</regionsID><enter>")
    items = read(total(0, 70, 70), other, region, total(3, 71, 70))

    assert counts(items) == [(0, 0), (0, 0), (0, 0), (1, 0)]
    assert [cast(Reading, item).data.line for item in items] == ["1", "2", "1/2", "1"]  # type: ignore[attr-defined]


def test_wall_clock_ignores_a_wrong_zone() -> None:
    """A camera whose clock is right and whose offset is not is read in the device's zone."""
    wrong = alert(NINE, NINE + QUARTER, 1, 0).replace(b"+08:00", b"+02:00")
    context = Context(timezone=ZoneInfo("Asia/Shanghai"))
    _, by_offset = only(fed(decoder_of("hikvision-count", context), [wrong], AT))
    _, by_wall = only(fed(decoder_of("hikvision-count", context, times="wall-clock"), [wrong], AT))

    assert by_wall.from_ == NINE
    assert by_offset.from_ == NINE + timedelta(hours=6)


def test_children_are_added_only_where_set() -> None:
    """By default childCounting is part of the count."""
    children = "<childCounting><enter>2</enter><exit>1</exit></childCounting>"
    both = (total(0, 10, 10, children), total(1, 11, 10, children.replace("2", "4")))

    assert counts(read(*both)) == [(0, 0), (1, 0)]
    assert counts(read(*both, children="added")) == [(0, 0), (3, 0)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (alert(NINE, NINE + QUARTER, 1, 1)[:400], "cut off"),
        (alert(NINE, NINE + QUARTER, 1, 1).replace(b"</enter>", b"<enter>"), "broken XML"),
        (total(0, 1, 1).replace(b"realTime", b"signalTrigger"), "method"),
        (total(0, 1, 1).replace(b"<enter>1", b"<enter>-1"), "enter"),
        (total(0, 1, 1).replace(b"<time>2026", b"<time>20x6"), "time"),
        (b"<EventNotificationAlert><eventType>PeopleCounting</eventType></EventNotificationAlert>", "peopleCounting"),
        (b"\x00\x01 what is this", "no alert"),
        (b'{"a":' + b"[" * 30_000, "no alert"),
        (b'{"eventType":' * 700 + b"1" + b"}" * 700, "no alert"),
    ],
)
def test_what_is_broken_is_set_aside(body: bytes, reason: str) -> None:
    """Each fault is one reject that says what is wrong."""
    (item,) = read(body)
    assert isinstance(item, Rejected)
    assert reason in item.reason


def test_an_entity_bomb_is_refused() -> None:
    """XML from the network is never expanded."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + total(0, 1, 1).replace(b"<enter>1", b"<enter>&b;")
    (item,) = read(bomb)
    assert isinstance(item, Rejected)


def test_garbage_is_one_reject() -> None:
    """A megabyte of noise in one body is one thing set aside, bounded."""
    (item,) = read(Random(4).randbytes(1 << 20))
    assert isinstance(item, Rejected)
    assert len(item.raw) <= 64 * 1024


def test_a_push_brings_its_counts_and_is_answered() -> None:
    """Multipart with a picture, an event of another kind, noise and an empty try: all answered 200."""
    package = driver("hikvision-count")
    options = package.options.model_validate({"id": "door", "driver": "hikvision-count"})
    device = cast(Receiver, package.device(options, Context()))
    first = next(messages(Random(1), NINE, timedelta(minutes=1)))

    def push(method: str, body: bytes) -> list[Item]:
        answer = device.receive(Request(method, "/push/door", {}, {"content-type": first.content_type}, body), AT)
        assert answer.status == 200
        return list(answer.items)

    assert len(counts(push("POST", first.body))) == 1
    assert push("GET", b"") == []
    assert push("POST", b"<EventNotificationAlert><eventType>VMD</eventType></EventNotificationAlert>") == []
    assert [type(item) for item in push("POST", b"noise")] == [Rejected]
    assert [type(item) for item in push("POST", first.body[:300])] == [Rejected]
    assert len(counts(push("POST", first.body))) == 1


def test_the_simulator_speaks_the_protocol() -> None:
    """A day of quarters: every interval decodes, and they follow each other."""
    said = [message.body for message in islice(messages(Random(3), NINE, QUARTER), 96)]
    told = [cast(DoorCount, cast(Reading, item).data) for item in read(*said)]

    assert len(told) == 96
    assert all(before.to == after.from_ for before, after in pairwise(told))
    assert sum(count.in_ for count in told) >= sum(count.out for count in told) > 0


def test_json_of_the_same_names_is_an_alert_too() -> None:
    """Newer firmware can be set to it; other events in JSON are passed over."""
    body = """{"macAddress": "44:47:cc:00:00:01", "channelID": 2, "eventType": "PeopleCounting", "peopleCounting":
        {"statisticalMethods": "timeRange", "TimeRange": {"startTime": "2026-11-21T09:00:00Z",
        "endTime": "2026-11-21T09:15:00Z"}, "enter": 3, "exit": 1}, "isDataRetransmission": true}"""
    _, count = only(read(body.encode()))

    assert count == DoorCount(3, 1, NINE, NINE + QUARTER, "2")
    assert read(b'{"eventType": "AccessControllerEvent", "AccessControllerEvent": {"name": "x"}}') == []


@needs_samples
def test_every_sample_decodes_or_is_passed_over() -> None:
    """Counting pushes give their count; events of other kinds and status answers give nothing, not even a reject."""
    assert SHARED
    files = sorted((SHARED / "samples/door_counter").glob("hik_*"))
    told = {file.name: read(file.read_bytes()) for file in files}

    counting = {name: counts(items) for name, items in told.items() if items}
    assert len(files) >= 10
    assert counting == {
        "hik_ezviz_isapi_envelope_2021.json": [(0, 1)],
        "hik_peoplecounting_psia_realtime_2020.xml": [(0, 0)],
        "hik_peoplecounting_psia_timerange_2020.xml": [(0, 0)],
    }


def test_missing_intervals_are_a_gap_and_late_ones_are_none() -> None:
    """An interval that does not follow the last carries gap; one that comes late fills it and carries none."""
    quarters = [alert(NINE + n * QUARTER, NINE + (n + 1) * QUARTER, 2, 1) for n in range(6)]
    items = read(*(quarters[n] for n in (0, 1, 4, 2, 3, 5)))

    assert [cast(DoorCount, cast(Reading, item).data).gap for item in items] == [False, False, True] + [False] * 3


def test_a_total_that_ran_over_is_no_reset() -> None:
    """From just below wraps_at to just above 0 is counted through."""
    items = read(total(0, 65_530, 100), total(1, 4, 101), wraps_at=65_536)
    last = cast(DoorCount, cast(Reading, items[-1]).data)
    assert (last.in_, last.out, last.resumed) == (10, 1, False)


def test_a_clock_once_years_ahead_does_not_silence_the_camera() -> None:
    """Totals after the camera's clock was put right are counted, though they are older than the wrong ones."""
    wrong = total(0, 10, 10).replace(b"<time>2026", b"<time>2037")
    assert counts(read(wrong, total(5, 12, 11), total(6, 13, 11))) == [(0, 0), (2, 1), (1, 0)]


def pulled(url: str, folder: Path) -> Driver:
    package = driver("hikvision-count")
    pull = {"url": url, "user": LOGIN.user, "password_file": password(folder), "timeout_s": 2}
    device = package.device(
        package.options.model_validate({"id": "door", "driver": "hikvision-count", "pull": pull}), Context()
    )
    assert isinstance(device, Driver)
    return device


def test_the_alert_stream_is_read_as_it_comes(tmp_path: Path) -> None:
    """Counts among other alerts, cut anywhere, after a digest login; what the end cuts off is told, then the loss."""
    stream = b"".join(message.body for message in islice(messages(Random(5), NINE, QUARTER), 20))
    heartbeat = b"<EventNotificationAlert><eventType>videoloss</eventType></EventNotificationAlert>"
    pieces = [stream[place : place + 700] for place in range(0, len(stream), 700)]

    def talk(connection: socket) -> None:
        if b"Authorization: Digest" not in asked(connection):
            connection.sendall(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n\r\n')
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=MIME_boundary\r\n\r\n")
        for piece in [heartbeat, *pieces, alert(NINE, NINE + QUARTER, 1, 1)[:300]]:
            connection.sendall(piece)

    with talking(talk) as url:
        device = pulled(url, tmp_path)
        device.open()
        items = until(device, 21)
        with pytest.raises(DeviceOffline, match="ended"):
            until(device, 1)
        device.close()
    assert counts(items) == counts(read(stream)) != []
    assert [item.reason for item in items if isinstance(item, Rejected)] == ["an alert that was cut off"]


def test_a_stream_that_goes_on_saying_nothing_is_waited_for_in_steps(tmp_path: Path) -> None:
    """A read comes back when its time is over, so that the agent can stop; then the next alert is still taken."""
    go = Event()

    def talk(connection: socket) -> None:
        asked(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        go.wait(5)
        body = alert(NINE, NINE + QUARTER, 3, 1)
        connection.sendall(b"%x\r\n%s\r\n" % (len(body), body))
        with suppress(TimeoutError):
            connection.recv(1)

    with talking(talk) as url:
        device = pulled(url, tmp_path)
        device.open()
        assert [device.read(0.01).items for _ in range(3)] == [()] * 3
        go.set()
        assert counts(until(device, 1)) == [(3, 1)]
        device.close()
