"""nut-ups: what upsd says of a UPS becomes power and what is wrong with it; outages are told at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.answer_way import AnswerWay
from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.nut_ups.driver import UpsDecoder
from devices.nut_ups.frames import MOST
from devices.nut_ups.simulator import Server, messages
from records.types import DeviceHealth, Power
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import lost, opened, serving, until
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
ON_MAINS = (False, 100.0, 2400)


def answer(status: str, charge: object = 100, runtime: object = 2400) -> bytes:
    said = {"battery.charge": charge, "battery.runtime": runtime, "ups.status": status}
    listed = "".join(f'VAR ups {name} "{value}"\n' for name, value in said.items())
    return f"BEGIN LIST VAR ups\n{listed}END LIST VAR ups\n".encode()


def read(data: bytes) -> list[Item]:
    return fed(decoder_of("nut-ups", Context()), [data], AT)


def powers(items: list[Item]) -> list[tuple[bool, float | None, int | None]]:
    data = [item.data for item in items if isinstance(item, Reading)]
    return [(one.on_battery, one.charge_pct, one.runtime_s) for one in data if isinstance(one, Power)]


def troubles(items: list[Item]) -> list[str | None]:
    data = [item.data for item in items if isinstance(item, Reading)]
    return [one.reason for one in data if isinstance(one, DeviceHealth)]


def asking(port: int, **settings: Any) -> Driver:
    return opened("nut-ups", **{"port": port, "ups": "ups", "interval_s": 1, "timeout_s": 0.3, **settings})


STREAM = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [answer("OL"), answer("OB LB", 7, 60), answer("OL RB")[:60], b"ERR DATA-STALE\n", b"\n", b"x" * 1500]
        ),
        st.sampled_from([b"ups.status: OL\n", b"battery.charge: 3\n", b"END LIST VAR ups\n", b"BEGIN LIST VAR ups\n"]),
    ),
    max_size=10,
).map(b"".join)


@given(stream=STREAM, cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_chunking_does_not_matter(stream: bytes, cuts: list[int]) -> None:
    """However the connection slices the answers, the same comes out."""
    pieces = pieces_of(stream, cuts)
    assert fed(decoder_of("nut-ups", Context()), pieces, AT) == read(stream)


@given(end=st.integers(0, answer("OB LB", 7, 60).index(b"END")))
def test_half_an_answer_says_nothing(end: int) -> None:
    """A list that does not end might have gone on."""
    assert powers(read(answer("OB LB", 7, 60)[:end])) == []


@pytest.mark.parametrize(
    ("status", "power", "trouble"),
    [
        ("OL", False, []),
        ("OL CHRG", False, []),
        ("OL BYPASS", False, []),
        ("OB DISCHRG", True, []),
        ("OB DISCHRG LB", True, ["the battery is low"]),
        ("ALARM OL RB", False, ["the battery needs to be replaced; it sounds an alarm"]),
        ("FSD OB LB", True, ["the battery is low; it is about to switch off"]),
        ("OFF", False, ["it is switched off"]),
    ],
)
def test_status_words_are_power_and_troubles(status: str, power: bool, trouble: list[str]) -> None:
    """OB is on battery, whatever else is said."""
    items = read(answer(status))
    assert (powers(items), troubles(items)) == ([(power, 100.0, 2400)], trouble)


@pytest.mark.parametrize("status", ["", "WAIT", "LB"])
def test_a_status_that_says_neither_is_set_aside(status: str) -> None:
    """No outage is made up, and no mains."""
    (item,) = read(answer(status))
    assert isinstance(item, Rejected)
    assert "neither mains nor battery" in item.reason


@pytest.mark.parametrize(("charge", "runtime"), [("", ""), ("NaN", "inf"), ("-1", "-5"), ("101", "1e12"), ("x", "y")])
def test_numbers_that_cannot_be_true_are_left_out(charge: str, runtime: str) -> None:
    """The outage is told all the same."""
    assert powers(read(answer("OB", charge, runtime))) == [(True, None, None)]


def test_changes_are_told_at_once_and_the_rest_now_and_then() -> None:
    """Live, an unchanged state is told every five minutes, an outage and a low battery when they come and go."""
    device = UpsDecoder(timedelta(minutes=5))
    said = [(0, "OL"), (1, "OL"), (2, "OB"), (3, "OB"), (4, "OB LB"), (5, "OB LB"), (6, "OL"), (10, "OL"), (11, "OL")]
    told = [(minute, read_at(device, minute, status)) for minute, status in said]
    assert [minute for minute, items in told if powers(items)] == [0, 2, 6, 11]
    assert [(minute, troubles(items)) for minute, items in told if troubles(items)] == [
        (4, ["the battery is low"]),
        (6, [None]),
    ]


def read_at(device: UpsDecoder, minute: int, status: str) -> list[Item]:
    return list(device.feed(answer(status), AT + timedelta(minutes=minute)))


def test_too_many_variables_and_long_lines_are_bounded() -> None:
    """A server that never ends its list fills no memory."""
    device = UpsDecoder(None)
    device.feed(b"BEGIN LIST VAR ups\n", AT)
    items = [item for n in range(MOST + 50) for item in device.feed(f'VAR ups a.v{n} "1"\n'.encode(), AT)]
    assert len(items) == 50
    assert len(list(device.feed(b"x" * 1_000_000, AT))) == 1


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes, with outages and a low battery among it."""
    items = read(b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(seconds=5)), 500)))
    assert not [item for item in items if isinstance(item, Rejected)]
    assert {on_battery for on_battery, _, _ in powers(items)} == {True, False}
    assert "the battery is low" in troubles(items)


def test_a_server_is_asked_again_and_again() -> None:
    """The only UPS there is needs no name; answers come in pieces."""
    with AnswerWay(("127.0.0.1", 0)) as way:
        play = threading.Thread(target=way.answer, args=(Server(Random(1)), 3), daemon=True)
        play.start()
        device = asking(int(way.place.rpartition(":")[2]), ups="", report_s=1)
        assert powers(until(device, lambda items: len(powers(items)) == 2))[0][0] is False
        device.close()
        play.join(60)
        assert not play.is_alive()


def slowly(said: bytes) -> Callable[[], Callable[[bytes], bytes]]:
    return lambda: lambda _: said


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"ERR UNKNOWN-UPS\n", "set ups"),
        (b"ERR DATA-STALE\n", "check the UPS's cable"),
        (b"ERR DRIVER-NOT-CONNECTED\n", "driver is not running"),
        (b"ERR ACCESS-DENIED\n", "upsd.conf"),
        (b"ERR SOMETHING-ELSE\n", "upsd answers SOMETHING-ELSE"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no answer of upsd's"),
        (answer("OL")[:-5], "no answer of upsd's"),
        (b"VAR ups x" * 100_000, "no answer of upsd's"),
        (b"", "connection is gone"),
    ],
)
def test_servers_that_misbehave_make_it_offline(said: bytes, reason: str) -> None:
    """Refusals, another protocol, half an answer, an endless one, a hang-up: each says what to check."""
    with serving(slowly(said)) as port:
        device = asking(port)
        assert reason in lost(device)
        device.close()


def test_two_upses_need_a_name() -> None:
    """Which they are is told."""
    said = b'BEGIN LIST UPS\nUPS a "A"\nUPS b "B"\nEND LIST UPS\n'
    with serving(slowly(said)) as port, pytest.raises(DeviceOffline, match="a, b; set ups"):
        asking(port, ups="")


def test_where_nothing_listens_it_is_offline() -> None:
    """With what to check."""
    with serving(slowly(b"")) as port:
        pass
    with pytest.raises(DeviceOffline, match="nothing listens there"):
        asking(port)


@needs_samples
def test_dumps_of_real_upses_are_read() -> None:
    """Each says that it is on mains, with the charge and the time that its dump has."""
    assert SHARED
    told = {}
    for file in sorted((SHARED / "samples/ups").glob("*.dev")):
        items = read(file.read_bytes())
        (told[file.name.partition("__")[0]],) = powers(items)
        assert len(items) == 1, file.name
    assert told == {
        "2E": (False, 79.0, 48969),
        "APC": (False, 100.0, 3877),
        "Ablerex": (False, 100.0, None),
        "Aviem_Systems": (False, None, None),
    }
