"""xovis-count: crossings and intervals of lines, by HTTP and TCP; nobody twice, gaps told."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, DeviceOffline, Item, Reading, Receiver, Rejected, Request
from devices.registry import driver
from devices.tcp_way import TcpListener
from devices.xovis_count.simulator import logics, messages
from records.types import DoorCount
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.web_device import until
from tests.samples import SHARED, needs_samples

NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
AT = NINE + timedelta(hours=20)
MINUTE = timedelta(minutes=1)


def interval(minute: int, number: int = 0, people: tuple[int, int] = (2, 1)) -> bytes:
    return logics(number or minute + 1, NINE + minute * MINUTE, NINE + (minute + 1) * MINUTE, people)


def crossing(minute: float, number: int, track: int, kind: str = "PERSON", way: str = "FORWARD") -> bytes:
    time = int((NINE + minute * MINUTE).timestamp() * 1000)
    event = {"type": f"LINE_CROSS_{way}", "attributes": {"track_id": track, "geometry_name": "Door"}}
    frame = {"time": time, "tracked_objects": [{"track_id": track, "type": kind}], "events": [event]}
    return json.dumps({"live_data": {"package_info": {"id": number, "agent_id": 5}, "frames": [frame]}}).encode()


def read(*bodies: bytes, context: Context | None = None, **settings: Any) -> list[Item]:
    return fed(decoder_of("xovis-count", context or Context(), **settings), bodies, AT)


def data(items: list[Item]) -> list[DoorCount]:
    return [cast(DoorCount, item.data) for item in items if isinstance(item, Reading)]


def counts(items: list[Item]) -> list[tuple[int, int]]:
    return [(count.in_, count.out) for count in data(items)]


@given(
    body=st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([interval(0), interval(3), crossing(1, 1, 1), b"{", b"[1]"]))
    ),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_chunking_does_not_matter(body: list[bytes], cuts: list[int]) -> None:
    """However documents come in, back to back, the same counts come out."""
    whole = b"".join(body)
    assert read(*pieces_of(whole, cuts)) == read(whole)


def test_groups_do_not_cross_besides_their_persons() -> None:
    """A crossing of a GROUP counts nobody."""
    assert counts(read(crossing(0, 1, 7), crossing(0.1, 2, 8, "GROUP"), crossing(1, 3, 7, way="BACKWARD"))) == [
        (1, 0),
        (0, 1),
    ]


def test_forward_may_be_out() -> None:
    """A sensor mounted the other way round is turned by a setting."""
    assert counts(read(interval(0, people=(5, 3)), forward="out")) == [(3, 5)]
    assert counts(read(crossing(0, 1, 7), forward="out")) == [(0, 1)]


def test_crossings_and_intervals_are_never_added() -> None:
    """Whichever comes first, everybody is counted once; a setting takes only the one or the other."""
    mixed = [one for minute in range(4) for one in (crossing(minute + 0.5, minute + 1, minute), interval(minute))]
    assert sum(in_ for in_, _ in counts(read(*mixed, counts="live"))) == 4
    assert sum(in_ for in_, _ in counts(read(*mixed, counts="logics"))) == 8
    auto = data(read(*mixed))
    assert auto[0].from_ is None
    assert all(count.from_ for count in auto[1:])
    assert auto[1].from_ == NINE + MINUTE  # the first interval was counted by its crossing


def test_missing_packages_and_intervals_are_gaps() -> None:
    """A number left out shows on the next count; a number that falls with newer times is a restart."""
    by_number = read(crossing(0, 4, 1), crossing(1, 5, 2), crossing(2, 8, 3), crossing(3, 1, 4), crossing(4, 2, 5))
    assert [count.gap for count in data(by_number)] == [False, False, True, False, False]
    by_time = read(interval(0, 1), interval(3, 2), interval(1, 2), interval(4, 3))
    assert [count.gap for count in data(by_time)] == [False, True, False, False]


def test_a_gap_waits_for_the_next_count() -> None:
    """A package without counts that follows a missing one passes the gap on."""
    empty = json.dumps({"live_data": {"package_info": {"id": 9, "agent_id": 5}, "frames": []}}).encode()
    assert [count.gap for count in data(read(crossing(0, 4, 1), empty, crossing(2, 10, 3), crossing(3, 11, 3)))] == [
        False,
        True,
        False,
    ]


def test_repeats_have_one_identity() -> None:
    """The same crossing or interval sent again is the same event."""
    items = read(interval(0), interval(1), interval(0), crossing(9, 1, 1), counts="auto")
    identities = [cast(Reading, item).identity for item in items]
    assert identities[0] == identities[2]
    lives = [cast(Reading, item).identity for item in read(crossing(0, 1, 1), crossing(0, 1, 1), crossing(0, 2, 2))]
    assert lives[0] == lives[1] != lives[2]


def test_what_is_remembered_survives_a_restart() -> None:
    """Numbers and intervals go on where they were."""
    state: dict[str, bytes] = {}
    for item in [*read(interval(0)), *read(crossing(0, 5, 1))]:
        state |= {key: value for key, value in item.state.items() if value is not None}
    assert [count.gap for count in data(read(interval(5), context=Context(state=state)))] == [True]
    assert data(read(crossing(6, 6, 1), context=Context(state=state), counts="live"))[0].gap is False


def test_iso_times_without_an_offset_are_local() -> None:
    """Firmware that writes times as text is read in the device's zone."""
    value = [{"label": "fw", "value": "3"}, {"label": "bw", "value": 0}]
    measured = {"from": "2026-11-21T17:00:00", "to": "2026-11-21T17:15:00", "value": value}
    body = {"content": {"element": {"element_name": "Door", "measurement": [measured]}}}
    (count,) = data(read(json.dumps(body).encode(), context=Context(timezone=ZoneInfo("Asia/Shanghai"))))
    assert count == DoorCount(3, 0, NINE, NINE + 15 * MINUTE, "Door")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (interval(0)[:60], "cut off"),
        (b"<xml/>", "no JSON"),
        (b'{"a": 1}', "neither"),
        (b'{"live_data": {"frames": [1]}}', "lacks"),
        (b'{"live_data": 3}', "lacks"),
        (b'{"logics_data": {"logics": [{"records": [{"counts": [{"name": "fw", "value": 1}]}]}]}}', "lacks"),
        (interval(0).replace(b'"value": 2', b'"value": -2'), "no number"),
        (interval(0).replace(b'"value": 2', b'"value": 2.5'), "no number"),
        (interval(0).replace(b'"from": ', b'"from": 99999999999999999999'), "time"),
        (b'{"values": [{"type": "LineCount"}]}', "lacks"),
        (b'{"content": {"element": "x"}}', "lacks"),
    ],
)
def test_what_is_broken_is_set_aside(body: bytes, reason: str) -> None:
    """Each fault is one reject that says what is wrong."""
    (item,) = read(body)
    assert isinstance(item, Rejected)
    assert reason in item.reason


def made(**settings: Any) -> Any:
    package = driver("xovis-count")
    return package.device(package.options.model_validate({"id": "d", "driver": "x", **settings}), Context())


def test_a_push_brings_its_counts_and_is_answered() -> None:
    """Counts, noise and an empty try are all answered 200."""
    device = cast(Receiver, made())
    for body, kinds in ((interval(0), [Reading]), (b"noise", [Rejected]), (b"", [])):
        answer = device.receive(Request("POST", "/push/d", {}, {}, body), AT)
        assert (answer.status, [type(item) for item in answer.items]) == (200, kinds)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_sensor_over_tcp_is_heard_and_may_come_again() -> None:
    """Documents back to back; a connection cut off in mid-document loses that one alone, and a new one takes over."""
    device = cast(TcpListener, made(tcp=f"127.0.0.1:{free_port()}"))
    device.open()
    first = socket.create_connection(("127.0.0.1", device.port))
    first.sendall(interval(0) + interval(1) + interval(2)[:50])
    assert counts(until(device, 2)) == [(2, 1), (2, 1)]
    second = socket.create_connection(("127.0.0.1", device.port))
    second.sendall(interval(2))
    items = until(device, 2)
    assert [type(item) for item in items] == [Rejected, Reading]
    second.close()
    assert device.read(1).items == []
    first.close()
    device.close()
    device.close()
    with pytest.raises(DeviceOffline):
        device.read(0)


def test_others_may_not_connect_and_a_taken_port_is_said() -> None:
    """Who is not allowed is hung up on; a second listener says what to do."""
    device = cast(TcpListener, made(tcp=f"127.0.0.1:{free_port()}", allow_from=["192.0.2.1"]))
    device.open()
    with socket.create_connection(("127.0.0.1", device.port)) as stranger:
        assert device.read(5).items == []
        stranger.settimeout(5)
        assert stranger.recv(1) == b""
    with pytest.raises(DeviceOffline, match="another port"):
        made(tcp=f"127.0.0.1:{device.port}").open()
    device.close()


@pytest.mark.parametrize("place", ["9205", ":9205", "192.0.2.1", "192.0.2.1:x", "192.0.2.1:99999"])
def test_a_place_to_listen_at_is_checked(place: str) -> None:
    """Address and port, both."""
    with pytest.raises(ValueError, match="address and a port"):
        made(tcp=place)


def test_the_simulator_speaks_the_protocol() -> None:
    """A day of quarters: every interval decodes, and they follow each other."""
    quarter = timedelta(minutes=15)
    told = data(read(*(message.body for message in islice(messages(Random(3), NINE, quarter), 96))))
    assert len(told) == 96
    assert all(before.to == after.from_ for before, after in pairwise(told))
    assert not any(count.gap for count in told)
    assert sum(count.in_ for count in told) >= sum(count.out for count in told) > 0


@needs_samples
def test_every_sample_decodes_to_what_is_expected_of_it() -> None:
    """Pushes of firmware 5 give the values beside them, in order or summed; that of firmware 4 its one crossing."""
    assert SHARED
    folder = SHARED / "samples/door_counter"
    files = sorted(folder.glob("xovis_v5_0*.json"))
    expected = json.loads((folder / "xovis_v5_expected.json").read_text(encoding="utf-8"))
    for file, wanted in zip(files, expected, strict=True):
        told = counts(read(file.read_bytes()))
        forward, backward = (
            [value for key, value in wanted["expect"] if key == f"value.data.{side}"] for side in ("fw", "bw")
        )
        pairs = list(zip(forward, backward, strict=True))
        assert told == pairs or [tuple(map(sum, zip(*told, strict=True)))] == pairs, file.name
    assert counts(read((folder / "xovis_v4_pc2s_0.json").read_bytes())) == [(1, 0)]
