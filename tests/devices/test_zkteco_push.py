"""zkteco-push: what time clocks push becomes punches, acknowledged once they are on disk; nobody's name is kept."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Answer, Context, Item, Reading, Receiver, Rejected, Request
from devices.registry import driver
from devices.zkteco.frames import OK, packet
from devices.zkteco.simulator import record
from devices.zkteco_push.frames import MAX_LINE
from devices.zkteco_push.options import Options
from devices.zkteco_push.simulator import PUSH, SERIAL, line, messages
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from edge_agent.clock import SystemClock
from edge_agent.intake import Intake
from edge_agent.listener import Listener, Pushing
from edge_agent.simulate import main as simulate
from edge_agent.station import Station
from edge_agent.web import Limits
from records import to_json
from records.types import Punch
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.zkteco.terminal import told
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_recorder import running

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
NINE = AT.replace(tzinfo=None)
SHANGHAI = Context(timezone=ZoneInfo("Asia/Shanghai"))


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("zkteco-push", Context(), **settings), [data], AT)


def punches(items: Sequence[Item]) -> list[Punch]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, Punch)]


def options(**settings: Any) -> Options:
    return Options.model_validate({"id": "clocks", "driver": "zkteco-push", **settings})


def made(context: Context = SHANGHAI, **settings: Any) -> Receiver:
    device = driver("zkteco-push").device(options(**settings), context)
    assert isinstance(device, Receiver)
    return device


def asked(device: Receiver, method: str, address: str, body: bytes = b"") -> Answer:
    url = urlsplit(address)
    return device.receive(Request(method, url.path, dict(parse_qsl(url.query)), {}, body), AT)


def pushed(device: Receiver, body: bytes, stamp: str = "9999", table: str = "ATTLOG") -> Answer:
    return asked(device, "POST", f"/iclock/cdata?SN={SERIAL}&table={table}&Stamp={stamp}", body)


def greeting(device: Receiver) -> list[str]:
    return asked(device, "GET", f"/iclock/cdata?SN={SERIAL}&options=all").body.decode().splitlines()


BODY = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [line("101", NINE, 0, 1), line("9", NINE, 255, 15)[:20], b"ATTLOG\r\n", b"\n", b"USER PIN=1\tName=A\n"]
        ),
        st.sampled_from([b" " * (MAX_LINE + 5), b"x" * (MAX_LINE + 1), f"POST {PUSH} HTTP/1.1\r\n".encode()]),
    ),
    max_size=8,
).map(b"".join)


@given(body=BODY, cuts=st.lists(st.integers(0, 9000), max_size=8))
def test_chunking_does_not_matter(body: bytes, cuts: list[int]) -> None:
    """However a body comes in, the same punches come out."""
    pieces = pieces_of(body, cuts)
    assert fed(decoder_of("zkteco-push", Context()), pieces, AT) == read(body)


@given(
    path=st.text(max_size=20),
    query=st.dictionaries(st.sampled_from(["SN", "table", "Stamp", "x"]), st.text(max_size=9)),
)
def test_any_request_is_answered(path: str, query: dict[str, str]) -> None:
    """Whatever is asked, in whatever words."""
    for method in ("GET", "POST"):
        answer = made().receive(Request(method, f"/iclock/{path}", query, {}, b"\xff\x00\n1\t2026-99-99 00:00:00"), AT)
        assert answer.status in (200, 403)


@pytest.mark.parametrize(
    ("body", "said", "count"),
    [
        (b"101\t2026-11-21 08:58:00\t0\t1\t0\t0\n", [("101", "in", "fingerprint")], 1),
        (b"ATTLOG\r\n101\t2026-11-21 08:58:00\t1\t15\r\n", [("101", "out", "face")], 1),
        (b"101\t2026-11-21 08:58:00\n102\t2026-11-21 08:58:01\t2", [("101", "unknown", None), ("102", "out", None)], 2),
        (b"101  2026-11-21 08:58:00  0  4", [("101", "in", "card")], 1),
        (b"", [], 0),
        (b"hello\n101\t2026-11-21 08:58:00\t0\t1", [("101", "in", "fingerprint")], 2),
    ],
)
def test_lines_of_every_length_are_read_and_counted(body: bytes, said: list[tuple[Any, ...]], count: int) -> None:
    """Four to six fields or fewer, tabs or blanks; what is no punch is counted too, or it would come again for ever."""
    answer = pushed(made(), body)
    assert [(one.person, one.direction, one.method) for one in punches(answer.items)] == said
    assert (answer.status, answer.body) == (200, b"OK: %d" % count)


def test_a_terminals_time_is_of_its_zone() -> None:
    """Eight in Shanghai is midnight in UTC."""
    (item,) = pushed(made(), b"101\t2026-11-21 08:00:00\t0\t1").items
    assert isinstance(item, Reading)
    assert item.at == datetime(2026, 11, 21, tzinfo=UTC)


def test_a_terminal_is_greeted_with_what_it_has_told() -> None:
    """Only punches are wanted; the stamp is of the last batch that is on disk for certain; whole hours are told."""
    device = made()
    assert {"GET OPTION FROM: CKUH210060002", "ATTLOGStamp=0", "TransFlag=TransData AttLog", "TimeZone=8"} <= set(
        greeting(device)
    )
    (first,) = pushed(device, line("101", NINE, 0, 1), "700").items
    assert "ATTLOGStamp=0" in greeting(device)  # it may not be on disk
    pushed(device, line("102", NINE, 0, 1), "701")
    assert "ATTLOGStamp=700" in greeting(device)
    state = {key: value for key, value in first.state.items() if value is not None}
    assert "ATTLOGStamp=700" in greeting(made(Context(state=state)))
    assert not [one for one in greeting(made(Context(timezone=ZoneInfo("Asia/Kolkata")))) if "TimeZone" in one]


def test_terminals_that_are_not_listed_are_refused() -> None:
    """By their serial number, and where they tell none."""
    device = made(serials=["A1", "B2"])
    assert asked(device, "POST", "/iclock/cdata?SN=B2&table=ATTLOG", line("1", NINE, 0, 1)).status == 200
    for who in ("SN=C3", "SN=", "x=1", "SN=%00"):
        answer = asked(device, "POST", f"/iclock/cdata?{who}&table=ATTLOG", line("1", NINE, 0, 1))
        assert (answer.status, answer.items) == (403, ())


@pytest.mark.parametrize("verb", ["getrequest", "ping", "devicecmd", "getrequest.aspx", "registry"])
def test_what_else_a_terminal_asks_is_answered(verb: str) -> None:
    """There are no commands for it."""
    assert asked(made(), "GET", f"/iclock/{verb}?SN={SERIAL}").body == b"OK"


def test_other_tables_are_answered_and_thrown_away() -> None:
    """Users, fingerprints and photos are never read; a table that is not known is told once."""
    device = made()
    for table in ("OPERLOG", "ATTPHOTO", "BIODATA", "operlog"):
        answer = pushed(device, b"USER PIN=1\tName=A\nFP PIN=1\tTMP=xx", table=table)
        assert (answer.body, answer.items) == (b"OK: 2", ())
    first, second = (pushed(device, b"time=x\tpin=1", table="rtlog").items for _ in range(2))
    assert [type(item) for item in first] == [Rejected]
    assert second == ()


def test_no_number_or_name_is_in_anything_that_is_written() -> None:
    """Records, state and what is set aside hold pseudonyms alone."""
    body = b"EMP9001\t2026-11-21 08:58:00\t0\t1\nEMP9001\t2026-02-30 08:58:00\nUSER PIN=9001\tName=NAME\nEMP9001 NAME\n"
    lines = []
    for item in [*pushed(made(), body).items, *read(body)]:
        kept = clean(item, "c", Policy(bytes(32)), Moment(AT)) if isinstance(item, Reading) else item
        lines.append(to_json(quarantine(kept, "c") if isinstance(kept, Rejected) else kept).decode())
        lines.append(repr(dict(item.state)) + repr(item.raw))
    assert len(lines) == 12
    assert "9001" not in "".join(lines)
    assert "NAME" not in "".join(lines)


def test_pushed_and_fetched_punches_are_the_same() -> None:
    """A terminal that pushes after it was asked doubles nothing: its serial number and time make the source_id."""
    (pushed_,) = punches(read(b"POST /iclock/cdata?SN=A1&table=ATTLOG\n" + line("101", NINE, 0, 1)))
    said = packet(OK, 7, 2, b"~SerialNumber=A1\0") + told(record(1, "101", NINE, 0, 1))
    fetched = fed(decoder_of("zkteco", Context()), [said], AT)
    assert punches(fetched) == [pushed_]


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes, and goes to the address that terminals know."""
    said = list(islice(messages(Random(3), AT, timedelta(minutes=9)), 100))
    assert len(punches(read(b"".join(message.body for message in said)))) == 100
    assert {message.name for message in said} == {PUSH}


def test_a_terminal_reaches_the_listener_by_its_own_address(tmp_path: Path) -> None:
    """It posts to /iclock/, is known by its serial number, and hears OK once its punch is on disk."""
    clock, station = SystemClock(), Station("clocks", "zkteco-push", SystemClock())
    chosen = options(serials=[SERIAL])
    with running(tmp_path, TestBox()) as (desk, _):
        pushing = {"clocks": Pushing(made(serials=[SERIAL]), chosen, station, threading.Lock())}
        listener = Listener(("127.0.0.1", 0), pushing, Intake(desk, Policy(bytes(32)), clock), Limits())
        listener.start()
        url = f"http://127.0.0.1:{listener.server_port}"
        before = desk.ask(lambda buffer: sum(buffer.view().next.values()))
        assert requests.post(url + PUSH, line("101", NINE, 0, 1), timeout=60).text == "OK: 1"
        assert desk.ask(lambda buffer: sum(buffer.view().next.values())) == before + 1
        assert requests.get(f"{url}/iclock/getrequest?SN={SERIAL}", timeout=60).text == "OK"
        assert requests.post(f"{url}/iclock/cdata?SN=OTHER&table=ATTLOG", b"", timeout=60).status_code == 404
        assert requests.post(f"{url}/push/clocks{PUSH}", line("101", NINE, 1, 1), timeout=60).text == "OK: 1"
        assert simulate("zkteco-push", to=url, count=2, interval_s=0, seed=1) == 0
        listener.shutdown()
        listener.server_close()
