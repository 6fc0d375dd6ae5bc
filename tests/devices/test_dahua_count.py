"""dahua-count: totals become the increase at each door, whatever happens to the camera in between."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.dahua_count.frames import MAX_PART
from devices.dahua_count.simulator import messages, summary
from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.http_device import HttpDevice
from devices.http_ways import HttpPoll
from devices.options import HttpAccess
from devices.registry import driver
from records import ClockQuality
from records.types import DoorCount
from tests.devices.cases import fed, pieces_of
from tests.devices.line import made
from tests.devices.web_device import LOGIN, answering, asked, password, serving, talking, until
from tests.samples import SHARED, needs_samples

NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
AT = NINE + timedelta(hours=20)
MINUTE = timedelta(minutes=1)


def make(context: Context, **settings: Any) -> Any:
    package = driver("dahua-count")
    told = {"id": "door", "driver": "dahua-count", "url": "http://192.0.2.1", **settings}
    return package.decoder(package.options.model_validate(told), context)


def device(url: str, folder: Path, **settings: Any) -> Driver:
    login = {"user": LOGIN.user, "password_file": password(folder)}
    return made("dahua-count", **{"url": url, "timeout_s": 2, **settings, **login})


def answer(minute: float, total: tuple[int, int] | None, today: tuple[int, int] = (0, 0)) -> bytes:
    whole = summary(NINE + minute * MINUTE, total or (0, 0), today)
    return whole if total else b"".join(line for line in whole.splitlines(True) if b".Total=" not in line)


def read(answers: Iterable[bytes], context: Context | None = None, **settings: Any) -> list[Item]:
    decoder = make(context or Context(), **settings)
    return [item for body in answers for item in [*decoder.feed(body, AT), *decoder.end(AT)]]


def data(items: list[Item]) -> list[DoorCount]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, DoorCount)]


def counts(items: list[Item]) -> list[tuple[int, int]]:
    return [(count.in_, count.out) for count in data(items)]


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                answer(1, (5, 5)),
                answer(2, (8, 6)),
                b"--myboundary\r\nContent-Type: text/plain\r\nContent-Length:9\r\n\r\nHeartbeat\r\n",
                b'--myboundary\r\n\r\nCode=NumberStat;action=Pulse;index=0;data={"EnteredSubtotal": 3,'
                b' "ExitedSubtotal": 2}\r\n\r\n',
                b"\r\n\r\n",
                b"summary.UTC=",
                b"y" * (MAX_PART // 2 + 3),
            ]
        ),
    ),
    max_size=6,
).map(b"".join)


@given(body=PIECES, cuts=st.lists(st.integers(0, 4000), max_size=8))
def test_chunking_does_not_matter(body: bytes, cuts: list[int]) -> None:
    """However a stream comes in, the same counts come out."""
    pieces = pieces_of(body, cuts)
    whole = fed(make(Context()), [body], AT)

    assert data(fed(make(Context()), pieces, AT)) == data(whole)


def test_totals_are_told_as_increase() -> None:
    """The first answer says from where; a fall is a reset; from and to follow each other."""
    items = read([answer(0, (70, 75)), answer(1, (73, 75)), answer(2, (73, 76)), answer(3, (2, 1)), answer(4, (3, 1))])

    assert counts(items) == [(0, 0), (3, 0), (0, 1), (2, 1), (1, 0)]
    assert [count.resumed for count in data(items)] == [False, False, False, True, False]
    assert [count.gap for count in data(items)] == [True, False, False, False, False]
    assert all(before.to == after.from_ for before, after in pairwise(data(items)))
    assert {count.line for count in data(items)} == {"1"}
    assert all(isinstance(item, Reading) and item.clock is ClockQuality.SOURCE for item in items)


def test_a_total_that_is_missing_is_made_up_for_by_the_day() -> None:
    """Whichever totals an answer has, everybody is counted once."""
    items = read(
        [
            answer(0, (100, 0), (10, 0)),
            answer(1, None, (12, 0)),
            answer(2, (105, 0), (15, 0)),
            answer(3, (106, 0), (16, 0)),
        ]
    )
    assert counts(items) == [(0, 0), (2, 0), (3, 0), (1, 0)]


def test_the_day_begins_again_at_the_cameras_midnight() -> None:
    """Today falls at midnight; a night of outage is told as a gap, even where the new day stands higher."""
    shanghai = Context(timezone=ZoneInfo("Asia/Shanghai"))
    to_midnight = 7 * 60  # 09:00 in UTC is 17:00 there
    near = [answer(0, None, (10, 9)), answer(to_midnight - 1, None, (10, 9)), answer(to_midnight + 1, None, (1, 0))]
    far = [answer(0, None, (10, 9)), answer(to_midnight + 300, None, (25, 20))]

    assert counts(read(near, shanghai)) == [(0, 0), (0, 0), (1, 0)]
    assert [(count.resumed, count.gap) for count in data(read(near, shanghai))][-1] == (True, False)
    assert counts(read(far, shanghai)) == [(0, 0), (25, 20)]
    assert [(count.resumed, count.gap) for count in data(read(far, shanghai))][-1] == (True, True)


def test_a_wrap_is_no_reset() -> None:
    """A total that ran over its width goes on; one that was low before it fell was reset."""
    top = 1 << 16
    wrapped = read([answer(0, (top - 3, top - 9)), answer(1, (2, top - 8))], wraps_at=top)
    reset = read([answer(0, (top // 2, 9)), answer(1, (2, 0))], wraps_at=top)

    assert counts(wrapped)[1:] == [(5, 1)]
    assert not data(wrapped)[1].resumed
    assert counts(reset)[1:] == [(2, 0)]
    assert data(reset)[1].resumed


def test_the_last_totals_survive_a_restart() -> None:
    """What is committed with a reading lets the next start tell the increase."""
    (first,) = read([answer(0, (70, 75))])
    state = {key: value for key, value in first.state.items() if value is not None}

    assert counts(read([answer(9, (74, 75))], Context(state=state))) == [(4, 0)]


def test_an_answer_repeated_has_the_same_identity() -> None:
    """The same time and totals are one event; without the camera's time there is no telling."""
    first, again, later = (read([body])[0] for body in (answer(0, (1, 1)), answer(0, (1, 1)), answer(1, (1, 1))))
    (unknown,) = read([answer(0, (1, 1))], times="box")
    assert isinstance(first, Reading)
    assert isinstance(again, Reading)
    assert isinstance(later, Reading)
    assert isinstance(unknown, Reading)
    assert first.identity == again.identity
    assert first.identity != later.identity
    assert (unknown.identity, unknown.at, unknown.clock) == (None, AT, None)


@pytest.mark.parametrize("utc", [0, 946685671, int((AT + timedelta(days=400)).timestamp()), 99999999999])
def test_a_camera_without_the_time_gets_the_boxs(utc: int) -> None:
    """Nobody is lost because a camera's clock was never set, or runs years ahead."""
    body = answer(0, (4, 4)).replace(b"UTC=%d" % int(NINE.timestamp()), b"UTC=%d" % utc)
    (item,) = read([body])
    assert isinstance(item, Reading)
    assert item.at == AT


def test_an_answer_that_arrives_late_is_dropped() -> None:
    """What is older than the last has been told already, whether it stands lower or, before a reset, higher."""
    answers = [answer(0, (70, 70)), answer(5, (80, 70)), answer(3, (75, 70)), answer(6, (1, 0)), answer(4, (79, 70))]
    assert counts(read(answers)) == [(0, 0), (10, 0), (1, 0)]


def test_a_clock_set_back_loses_nobody() -> None:
    """Where nothing but older answers come for an hour, counting goes on by them, first without a beginning."""
    decoder = make(Context())
    items: list[Item] = []
    for minute in range(100):
        body, arrival = answer(minute - 600 * (minute >= 20), (minute, 0)), NINE + minute * MINUTE
        items += [*decoder.feed(body, arrival), *decoder.end(arrival)]
    assert sum(count.in_ for count in data(items)) == 99
    assert [count.in_ for count in data(items) if count.from_ is None] == [0, 61]


def test_counts_in_events_are_read_and_others_passed_over() -> None:
    """NumberStat events with totals of their own; a broken one is set aside, motion is not."""
    head = b"--b\r\n\r\nCode=NumberStat;action=Pulse;index=0;data="
    told = [
        b'{"Channel": 2, "EnteredSubtotal": {"Total": 5}, "ExitedSubtotal": {"Total": 4}, "UTC": 1795251600}',
        b'{"Rules": [{"EnteredSubtotal": 8, "ExitedSubtotal": 6}]}',
        b"{broken",
    ]
    items = read([head + body + b"\r\n\r\n" for body in told] + [b"Code=VideoMotion;action=Start;index=0;data={x"])
    assert [count.line for count in data(items)] == ["3", "1"]
    assert [item.reason for item in items if isinstance(item, Rejected)] == ["a counting event whose data is no JSON"]


def test_what_is_broken_is_set_aside() -> None:
    """Numbers that are none, counts without totals, pages of another kind: one reject each, that says why."""
    broken = {
        answer(0, (1, 1)).replace(b"Total=1", b"Total=x"): "no number",
        b"summary.EnteredSubtotal.Hour=1\r\n": "neither Total nor Today",
        b"<html>login</html>": "no summary",
        b"Error\r\nBad Request!\r\n": "no summary",
        b"\x00" * 50: "no summary",
        b"y" * (MAX_PART + 9): "without end",
    }
    for body, reason in broken.items():
        item, *more = read([body])
        assert isinstance(item, Rejected)
        assert reason in item.reason
        assert len(item.raw) <= MAX_PART
        assert len(more) <= 1
    assert read([b"summary.RuleName=ManNumDetection\r\nsummary.EnteredSubtotal.Total=1\r\n"]) == []


def test_a_camera_is_polled_with_its_password(tmp_path: Path) -> None:
    """A day's answers through a real server with digest login, none missed, none twice."""
    said = list(islice(messages(Random(3), NINE, MINUTE), 30))
    expected = counts(read([message.body for message in said]))
    items: list[Item] = []
    with serving() as way:
        access = HttpAccess(url=way.url, user=LOGIN.user, password_file=password(tmp_path))
        camera = HttpPoll(HttpDevice(access), "/cgi-bin/videoStatServer.cgi", make(Context()), 0, MAX_PART)
        speaking = Thread(target=lambda: [way.say(message) for message in said])
        speaking.start()
        camera.open()
        while speaking.is_alive():
            items += camera.read(0.01).items
        items += camera.read(0.01).items
        camera.close()
    told, wanted = counts(items), [sum(side) for side in zip(*expected, strict=True)]
    assert [sum(side) for side in zip(*told, strict=True)] == wanted != [0, 0]


def test_between_questions_nothing_is_asked(tmp_path: Path) -> None:
    """Within interval_s a read brings nothing, and the camera is left alone."""
    heard: list[bytes] = []

    def talk(connection: Any) -> None:
        heard.append(asked(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + answer(0, (3, 3)))

    with talking(talk) as url:
        camera = device(url, tmp_path, interval_s=3600)
        camera.open()
        assert len(camera.read(0.01).items) == 1
        assert [camera.read(0.01).items for _ in range(5)] == [()] * 5
        camera.close()
    assert len(heard) == 1
    assert b"GET /cgi-bin/videoStatServer.cgi?action=getSummary&channel=1 HTTP/1.1" in heard[0]


def test_a_camera_that_goes_away_is_offline(tmp_path: Path) -> None:
    """A poll that fails says so, at the opening and later."""
    with talking(answering(b"HTTP/1.1 200 OK\r\n\r\n" + answer(0, (3, 3)))) as url:
        camera = device(url, tmp_path, interval_s=1)
        camera.open()
        assert len(camera.read(0.01).items) == 1
    with pytest.raises(DeviceOffline, match="nothing listens"):
        until(camera, 1)
    with pytest.raises(DeviceOffline):
        camera.open()


def test_a_stream_is_read_as_it_comes_and_its_end_loses_nothing(tmp_path: Path) -> None:
    """Attached, counts come with the next boundary; when the camera hangs up the last one is handed over first."""

    def talk(connection: Any) -> None:
        head = asked(connection)
        assert b"action=attach" in head
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=m\r\n\r\n")
        for minute in range(3):
            connection.sendall(b"--m\r\nContent-Length: 7\r\n\r\n" + answer(minute, (10 + minute, 10)))

    with talking(talk) as url:
        camera = device(url, tmp_path, method="attach")
        camera.open()
        items = until(camera, 3)
        assert counts(items) == [(0, 0), (1, 0), (1, 0)]
        with pytest.raises(DeviceOffline, match="ended"):
            until(camera, 1)
        camera.close()
        camera.open()
        camera.close()


@needs_samples
def test_every_sample_decodes_or_is_passed_over() -> None:
    """The summary gives its totals as where counting begins; a stream of motion events gives nothing."""
    assert SHARED
    folder = SHARED / "samples/door_counter"
    (item,) = read([(folder / "dahua_videostat_getsummary.txt").read_bytes()])
    assert isinstance(item, Reading)
    assert item.at == datetime(2021, 3, 12, 20, 21, 50, tzinfo=UTC)
    assert b'"Total":[1,10]' in (item.state["0/"] or b"")
    assert read([(folder / "dahua_eventmanager_stream.txt").read_bytes()]) == []
