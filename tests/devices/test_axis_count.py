"""axis-count: pushed intervals are kept once each, the day's totals become their increase."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.axis_count.simulator import messages, push
from devices.driver import Context, Item, Reading, Receiver, Rejected, Request
from devices.registry import driver
from records.types import DoorCount
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import opened
from tests.devices.web_device import LOGIN, asked, password, talking, until
from tests.samples import SHARED, needs_samples

NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
AT = NINE + timedelta(hours=20)
MINUTE = timedelta(minutes=1)


def interval(minute: int, enter: int = 2, leave: int = 1) -> bytes:
    return push(NINE + minute * MINUTE, NINE + (minute + 1) * MINUTE, enter, leave)


def live(time: datetime, enter: int, leave: int) -> bytes:
    return json.dumps({"serial": "A", "timestamp": f"{time:%Y%m%d%H%M%S}", "in": enter, "out": leave}).encode()


def read(*bodies: bytes, context: Context | None = None) -> list[Item]:
    return fed(decoder_of("axis-count", context or Context()), bodies, AT)


def data(items: list[Item]) -> list[DoorCount]:
    return [cast(DoorCount, item.data) for item in items if isinstance(item, Reading)]


@given(
    body=st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([interval(0), interval(3), b"{", b"[1]"]))),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
)
def test_chunking_does_not_matter(body: list[bytes], cuts: list[int]) -> None:
    """However pushes come in, the same counts come out."""
    whole = b"".join(body)
    assert read(*pieces_of(whole, cuts)) == read(whole)


def test_an_interval_is_its_own_count_in_utc() -> None:
    """Both directions are summed, local times are not read."""
    (reading,) = read(push(NINE.astimezone(ZoneInfo("Asia/Shanghai")), NINE + MINUTE, 7, 4))
    assert isinstance(reading, Reading)
    assert reading.data == DoorCount(7, 4, NINE, NINE + MINUTE)
    assert reading.at == NINE + MINUTE


def test_missing_intervals_are_a_gap_repeats_have_one_identity() -> None:
    """What does not follow the last carries gap, what comes late does not, and what comes twice is one event."""
    items = read(interval(0), interval(1), interval(4), interval(2), interval(5), interval(1))
    assert [count.gap for count in data(items)] == [False, False, True, False, False, False]
    identities = [cast(Reading, item).identity for item in items]
    assert identities[1] == identities[5]
    assert len(set(identities)) == 5


def test_the_last_interval_survives_a_restart() -> None:
    """A gap over a restart is told."""
    (first,) = read(interval(0))
    state = {key: value for key, value in first.state.items() if value is not None}
    assert [count.gap for count in data(read(interval(9), context=Context(state=state)))] == [True]


def test_totals_of_the_day_are_told_as_increase() -> None:
    """They fall at the camera's midnight, in its own zone; a long silence before that is a gap."""
    zone = Context(timezone=ZoneInfo("Asia/Shanghai"))
    late = datetime(2026, 11, 20, 23, 58)  # noqa: DTZ001 - a camera's wall clock
    items = read(
        live(late, 100, 90),
        live(late + MINUTE, 103, 91),
        live(late + 3 * MINUTE, 2, 0),
        live(late + timedelta(days=1), 150, 150),
        live(late + timedelta(days=1) + MINUTE, 1, 150),
        context=zone,
    )
    assert [(count.in_, count.out) for count in data(items)] == [(0, 0), (3, 1), (2, 0), (148, 150), (1, 150)]
    assert [count.resumed for count in data(items)] == [False, False, True, False, True]
    assert data(items)[0].to == datetime(2026, 11, 20, 15, 58, tzinfo=UTC)
    (missed,) = data(read(live(late, 9, 9), live(late + timedelta(days=1), 30, 30), context=zone))[1:]
    assert (missed.in_, missed.resumed, missed.gap) == (30, True, True)


def broken(change: str, by: object) -> bytes:
    document = json.loads(interval(0))
    measurement = document["data"]["measurements"][0]
    (measurement["items"][0] if change in ("count", "direction") else measurement)[change] = by
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (interval(0)[:100], "cut off"),
        (b"<xml/>", "no JSON"),
        (b"[]", "no object"),
        (b"{}", "neither"),
        (broken("count", -1), "below 0"),
        (broken("count", "many"), "not as such"),
        (broken("count", 1.5), "not as such"),
        (broken("utcTo", "0001-01-01T00:00:00+08:00"), "time"),
        (broken("utcTo", "yesterday"), "not as such"),
        (broken("items", None), "not as such"),
        (live(NINE, -1, 0), "below 0"),
        (b'{"in": 1, "out": 2, "timestamp": "now"}', "time"),
        (b'{"in": 1, "out": 2, "timestamp": "00010101000000"}', "time"),
    ],
)
def test_what_is_broken_is_set_aside(body: bytes, reason: str) -> None:
    """Each fault is one reject that says what is wrong."""
    (item,) = read(body)
    assert isinstance(item, Rejected)
    assert reason in item.reason


def test_a_push_brings_its_counts_and_is_answered() -> None:
    """Counts, noise and an empty try are all answered 200."""
    package = driver("axis-count")
    device = cast(Receiver, package.device(package.options.model_validate({"id": "d", "driver": "x"}), Context()))
    for body, kinds in ((interval(0), [Reading]), (b"noise", [Rejected]), (b"", [])):
        answer = device.receive(Request("POST", "/push/d", {}, {}, body), AT)
        assert (answer.status, [type(item) for item in answer.items]) == (200, kinds)


def test_the_older_counter_is_asked(tmp_path: Path) -> None:
    """With `pull` the application's totals are asked for, with the camera's digest login."""
    heard: list[bytes] = []

    def talk(connection: Any) -> None:
        heard.append(asked(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + live(NINE, 4, 4))

    with talking(talk) as url:
        pull = {"url": url, "user": LOGIN.user, "password_file": password(tmp_path)}
        device = opened("axis-count", application="tvpc", pull=pull)
        assert len(until(device, 1)) == 1
        device.close()
    assert heard[0].startswith(b"GET /local/tvpc/.api?live-sum.json HTTP/1.1\r\n")


def test_the_simulator_speaks_the_protocol() -> None:
    """A day of quarters: every interval decodes, and they follow each other."""
    quarter = timedelta(minutes=15)
    told = data(read(*(message.body for message in islice(messages(Random(3), NINE, quarter), 96))))
    assert len(told) == 96
    assert all(before.to == after.from_ for before, after in pairwise(told))
    assert not any(count.gap for count in told)
    assert sum(count.in_ for count in told) >= sum(count.out for count in told) > 0


@needs_samples
def test_every_sample_decodes() -> None:
    """A camera's push gives its count."""
    assert SHARED
    (count,) = data(read((SHARED / "samples/door_counter/axis_3d_people_counter_push.json").read_bytes()))
    begin = datetime(2025, 5, 22, 8, 14, tzinfo=UTC)
    assert count == DoorCount(1, 2, begin, begin + MINUTE)
