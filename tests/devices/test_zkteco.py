"""zkteco: a time clock's log becomes punches, each once, whatever its clock does; nobody's name is in anything."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.answer_way import AnswerWay
from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.punch_log import Logged
from devices.registry import driver
from devices.zkteco.frames import DATA, EVENT, OK, READ, SIZES, Packet, PacketParser, packet
from devices.zkteco.log import HEAD, guessed, records, seconds_of, when
from devices.zkteco.session import scrambled
from devices.zkteco.simulator import SERIAL, Terminal, answerer, messages, record
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from records import to_json
from records.types import DeviceHealth, Punch
from tests.devices.cases import decoded, decoder_of, drop_cases, fed, pieces_of
from tests.devices.line import lost, serving, until
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
QUESTION = packet(READ, 7, 3, bytes.fromhex("010d000000000000000000"))


def local(minutes: float = 0) -> datetime:
    """Terminals say times without a zone; the tests' are in UTC, a minute after the other."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(hours=5) + timedelta(minutes=minutes)


def naive(*parts: int) -> datetime:
    """A terminal's local time."""
    return datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001 - as terminals say it


def punched(number: int, person: str = "101", minutes: float | None = None, state: int = 0) -> bytes:
    return record(number, person, local(number if minutes is None else minutes), state, 1)


def told(log: bytes) -> bytes:
    return QUESTION + packet(DATA, 7, 3, len(log).to_bytes(HEAD, "little") + log)


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("zkteco", Context(), **settings), [data], AT)


def punches(items: Sequence[Item]) -> list[Punch]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, Punch)]


def reasons(items: Sequence[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


def made(port: int, state: dict[str, bytes] | None = None, **settings: Any) -> Driver:
    package = driver("zkteco")
    said = {"id": "c", "driver": "zkteco", "host": "127.0.0.1", "port": port, "interval_s": 1, "timeout_s": 0.5}
    device = package.device(package.options.model_validate({**said, **settings}), Context(state=state or {}))
    assert isinstance(device, Driver)
    return device


def fetched(terminal: Terminal, state: dict[str, bytes], **settings: Any) -> list[Item]:
    """What one agent's life brings: connected, asked once, all of it committed into `state`."""
    with serving(lambda: terminal.hear) as port:
        device = made(port, state, **settings)
        device.open()
        items: list[Item] = []
        while True:
            taken = device.read(0.01)
            items += taken.items
            if taken.confirm:
                taken.confirm()
            if not punches(taken.items):
                break
        device.close()
    for item in items:
        state.update({key: value for key, value in item.state.items() if value is not None})
    return items


@pytest.mark.parametrize("capture", drop_cases("zkteco"), ids=lambda path: path.stem)
def test_recorded_conversations_decode_as_recorded(capture: Path) -> None:
    """Every capture beside the driver gives exactly what stands beside it."""
    found, expected = decoded("zkteco", capture)
    assert found == expected


STREAM = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.binary(max_size=60).map(lambda data: packet(DATA, 7, 3, data)),
        st.sampled_from([told(punched(1) + punched(2)), told(b"\0" * 40), b"\x50\x50\x82\x7d", QUESTION, QUESTION[:9]]),
        st.sampled_from([packet(EVENT, 1, 0, b"9".ljust(24, b"\0") + bytes((1, 0, 26, 11, 21, 8, 58, 9))), b"P" * 70]),
        st.sampled_from([b"\x50\x50\x82\x7d\xff\xff\xff\xff", b"\x50\x50\x82\x7d\x09\0\0\0", bytes(3000)]),
    ),
    max_size=8,
).map(b"".join)


@given(stream=STREAM, cuts=st.lists(st.integers(0, 4000), max_size=8))
def test_chunking_does_not_matter(stream: bytes, cuts: list[int]) -> None:
    """However the connection slices the packets, the same punches and the same noise come out."""
    pieces = pieces_of(stream, cuts)
    assert fed(decoder_of("zkteco", Context()), pieces, AT) == read(stream)


@given(data=st.binary(max_size=200))
def test_any_log_is_read_or_is_none(data: bytes) -> None:
    """Whatever a terminal says is its log, no form of it raises."""
    for form in (8, 16, 40):
        assert len(records(data, form)) == len(data) // form
    guessed(data)
    guessed(len(data).to_bytes(4, "little") + data)


@given(body=st.binary(min_size=8, max_size=60), place=st.integers(0, 500), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(body: bytes, place: int, bit: int) -> None:
    """The checksum tells every single wrong bit of a packet's data."""
    whole = bytearray(packet(OK, 1, 2, body))
    whole[16 + place % len(body)] ^= 1 << bit
    parser = PacketParser()
    assert Packet(OK, 1, 2, bytes(whole[16:])) not in [*parser.feed(bytes(whole)), *parser.end()]


@given(at=st.datetimes(naive(2000, 1, 1), naive(2099, 12, 31)))
def test_times_are_as_terminals_count_them(at: datetime) -> None:
    """Every second of a century there and back."""
    assert when(seconds_of(at.replace(microsecond=0))) == at.replace(microsecond=0)


def test_a_day_that_is_none_has_no_time() -> None:
    """Terminals count 31 days in every month."""
    assert when(seconds_of(naive(2026, 6, 30)) + 86_400) is None


def test_every_form_of_log_says_the_same() -> None:
    """40, 16 and 8 bytes a punch."""
    at = naive(2026, 11, 21, 8, 58)
    said = [
        record(1, "101", at, 1, 15),
        struct.pack("<IIBBHI", 101, seconds_of(at), 15, 1, 0, 0),
        struct.pack("<HBIB", 101, 15, seconds_of(at), 1),
    ]
    for raw in said:
        assert guessed(len(raw * 3).to_bytes(4, "little") + raw * 3) == [Logged("101", at, 1, 15)] * 3


def test_punches_have_a_direction_and_a_method() -> None:
    """As the terminal's keys say, or always the same."""
    at = naive(2026, 11, 21, 8, 58)
    said = told(
        b"".join(
            record(n, "7", at, state, method) for n, (state, method) in enumerate([(0, 1), (2, 15), (3, 4), (255, 99)])
        )
    )
    assert [(one.direction, one.method) for one in punches(read(said))] == [
        ("in", "fingerprint"),
        ("out", "face"),
        ("in", "card"),
        ("unknown", None),
    ]
    assert {one.direction for one in punches(read(said, direction="out"))} == {"out"}


def test_other_tables_are_passed_over() -> None:
    """A list of users, which has their names, is no log; nothing of it is kept."""
    user = struct.pack("<HB8s24s4sB7sB24s", 1, 0, b"secret", b"NAME-9001", b"\0" * 4, 1, b"", 0, b"9001")
    for asked in (b"", packet(READ, 7, 3, bytes.fromhex("0109000500000000000000"))):
        items = read(asked + packet(DATA, 7, 3, len(user * 5).to_bytes(4, "little") + user * 5))
        assert items == []


def test_no_number_of_an_employee_is_in_anything_that_is_written() -> None:
    """Records, state, identities and what is set aside hold pseudonyms alone, the same for the same person."""
    whole = told(punched(1, "EMP9001") + punched(2, "EMP9001") + punched(3, "EMP9002"))
    items = read(whole + whole[:-9] + b"EMP9001 NAME")
    state: dict[str, bytes] = {}
    items += fetched(Terminal([punched(1, "EMP9001"), punched(2, "EMP9001")], local()), state)
    lines = []
    for item in items:
        now = Moment(datetime.now(UTC) + timedelta(days=1))
        told_ = clean(item, "c", Policy(bytes(32)), now) if isinstance(item, Reading) else item
        lines.append(to_json(quarantine(told_, "c") if isinstance(told_, Rejected) else told_).decode())
        lines.append(repr(dict(item.state)) + repr(item.raw))
    assert len(lines) > 8
    assert "9001" not in "".join(lines)
    assert "NAME" not in "".join(lines)
    people = {json.loads(line)["data"]["person"] for line in lines if '"type":"punch"' in line}
    assert len(people) == 2


def test_punches_are_told_once() -> None:
    """Over restarts, growing logs and questions that bring nothing new."""
    terminal, state = Terminal([punched(n) for n in range(40)], local(300)), dict[str, bytes]()
    assert len(punches(fetched(terminal, state))) == 40
    assert punches(fetched(terminal, state)) == []
    terminal.log.append(punched(40, "102"))
    (new,) = punches(fetched(terminal, state))
    assert new.person == "102"


def test_a_clock_that_is_set_back_loses_no_punch() -> None:
    """The place in the log counts, not the time."""
    terminal, state = Terminal([punched(n) for n in range(5)], local(300)), dict[str, bytes]()
    fetched(terminal, state)
    terminal.log.append(punched(5, "102", minutes=-600))
    assert [one.person for one in punches(fetched(terminal, state))] == ["102"]


def test_a_log_that_was_cleared_is_told_from_its_beginning() -> None:
    """Also where it has grown beyond where it was; what comes again has the same source_id."""
    terminal, state = Terminal([punched(n) for n in range(5)], local(300)), dict[str, bytes]()
    first = punches(fetched(terminal, state))
    terminal.log = [punched(4), *(punched(n, "102") for n in range(10, 20))]
    again = punches(fetched(terminal, state))
    assert len(again) == 11
    assert again[0].source_id == first[4].source_id
    assert len({one.source_id for one in again}) == 11
    terminal.log = []
    assert punches(fetched(terminal, state)) == []


def test_what_is_not_committed_is_told_again() -> None:
    """A buffer that is full, a crash: the next life begins where the last commit was."""
    terminal = Terminal([punched(n) for n in range(3)], local(300))
    with serving(lambda: terminal.hear) as port:
        device = made(port, {})
        device.open()
        once = until_punches(device)
        device.close()
        device.open()
        assert until_punches(device) == once
        device.close()
    assert len(once) == 3


def until_punches(device: Driver) -> list[Punch]:
    """Without confirming."""
    for _ in range(1000):
        if found := punches(device.read(0.05).items):
            return found
    raise AssertionError("no punches came")


def test_a_large_log_comes_in_parts() -> None:
    """12,000 punches, 480 kB, in as many questions as the terminal wants, handed over in portions."""
    terminal = Terminal([punched(n, str(n % 50 + 1), n / 50) for n in range(12_000)], local(300))
    assert len(punches(fetched(terminal, {}))) == 12_000


def test_only_the_last_days_of_a_new_terminal_are_told() -> None:
    """What is older is not asked for again in the same life."""
    log = [punched(1, minutes=-60 * 24 * 50), punched(2, minutes=-60 * 24 * 20), punched(3)]
    assert len(punches(fetched(Terminal(log, local(300)), {}))) == 2
    assert len(punches(fetched(Terminal(log, local(300)), {}, history_days=3650))) == 3
    assert punches(fetched(Terminal(log[:1], local(300)), {})) == []


def test_a_wrong_clock_is_told_once_and_when_it_is_right() -> None:
    """With how wrong it is."""
    terminal = Terminal([], local(300 - 12))
    with serving(lambda: terminal.hear) as port:
        device = made(port)
        device.open()
        (off,) = until(device, bool)
        terminal.clock = local(300)
        (right,) = until(device, bool)
        device.close()
    assert isinstance(off, Reading)
    assert isinstance(right, Reading)
    assert isinstance(off.data, DeviceHealth)
    assert "s behind; set it" in (off.data.reason or "")
    assert right.data == DeviceHealth("up", None)


def test_a_communication_key_is_needed_where_it_is_set(tmp_path: Path) -> None:
    """The right one lets in; a wrong one, or none, says what to do; a bad file too."""
    place = tmp_path / "key"
    place.write_text("123456\n")
    terminal = Terminal([punched(1)], local(300), key=123456)
    assert len(punches(fetched(terminal, {}, key_file=place))) == 1
    with serving(lambda: terminal.hear) as port:
        with pytest.raises(DeviceOffline, match="communication key"):
            made(port).open()
        place.write_text("none\n")
        with pytest.raises(DeviceOffline, match="first line"):
            made(port, key_file=place).open()


def test_the_key_is_scrambled_as_terminals_expect() -> None:
    """Worked out by hand from the published description."""
    assert scrambled(0, 0).hex() == "617d3279"


@contextmanager
def behaving(badly: dict[int, bytes]) -> Iterator[int]:
    """A terminal that answers some commands with other bytes."""

    def peer() -> Any:
        terminal = Terminal([punched(n) for n in range(60)], local(300))

        def reply(said: bytes) -> bytes:
            command = int.from_bytes(said[8:10], "little")
            return badly.get(command) or terminal.hear(said)

        return reply

    with serving(peer) as port:
        yield port


@pytest.mark.parametrize(
    ("badly", "reason"),
    [
        ({1000: b"HTTP/1.1 400 Bad Request\r\n\r\n"}, "no ZKTeco answers"),
        ({1000: packet(OK, 7, 999)}, "no ZKTeco answers"),
        ({SIZES: packet(OK, 7, 3, b"x")}, "no ZKTeco answers|does not say how many"),
        ({READ: b"\x50\x50\x82\x7d\xff\xff\x00\x00"}, "no ZKTeco answers"),
    ],
)
def test_terminals_that_misbehave_are_offline(badly: dict[int, bytes], reason: str) -> None:
    """Another protocol, another question's answer, half an answer: each says what to check."""
    with behaving(badly) as port:
        device = made(port)
        with pytest.raises(DeviceOffline, match=reason):
            opened_and_lost(device)
        device.close()


def opened_and_lost(device: Driver) -> None:
    device.open()
    raise DeviceOffline(lost(device))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (packet(2001, 7, 0), "does not give its punches"),
        (packet(OK, 7, 0, struct.pack("<xI", 0x7FFFFFFF)), "2147483647 bytes"),
        (packet(OK, 7, 0, struct.pack("<xI", 77)), "not known"),
    ],
)
def test_a_log_that_cannot_be_read_says_so(answer: bytes, reason: str) -> None:
    """A refusal, an impossible size, an unknown form."""

    def peer() -> Any:
        terminal = Terminal([punched(n) for n in range(60)], local(300))

        def reply(said: bytes) -> bytes:
            if int.from_bytes(said[8:10], "little") != READ:
                return terminal.hear(said)
            found = PacketParser().feed(answer)[0]
            assert isinstance(found, Packet)
            return packet(found.command, found.session, int.from_bytes(said[14:16], "little"), found.data)

        return reply

    with serving(peer) as port:
        device = made(port)
        device.open()
        assert reason in lost(device)
        device.close()


def test_where_nothing_listens_it_is_offline() -> None:
    """With what to check; a connection that breaks too."""
    with serving(lambda: lambda _: b"") as port, pytest.raises(DeviceOffline, match="connection is gone"):
        made(port).open()
    with pytest.raises(DeviceOffline, match="nothing listens there"):
        made(port).open()


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes; asked over TCP it is a terminal at which people go on punching."""
    said = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(minutes=9)), 50))
    assert (len(punches(read(said))), reasons(read(said))) == (150, [])
    with AnswerWay(("127.0.0.1", 0)) as way:
        threading.Thread(target=way.answer, args=(answerer(Random(1)), 60), daemon=True).start()
        device = made(int(way.place.rpartition(":")[2]), timeout_s=20)
        device.open()
        items = until(device, lambda items: len(punches(items)) >= 402)
        device.close()
    assert {one.source_id.split("/")[0] for one in punches(items)} == {SERIAL}


@needs_samples
def test_packets_of_a_real_terminal_are_read() -> None:
    """Checksums are right, the event and the entry are the punches that their descriptions say."""
    assert SHARED
    rows = json.loads((SHARED / "samples/attendance/zk_tcp_packets.json").read_text(encoding="utf-8"))
    whole = [bytes.fromhex(row["hex"]) for row in rows if row["checksum_ok"]]
    found = [PacketParser().feed(raw) for raw in whole]
    assert len(whole) == 15
    assert all(len(one) == 1 and isinstance(one[0], Packet) for one in found)

    (live,) = punches([item for raw in whole for item in read(raw)])
    assert (live.person, live.method, live.source_id[:18]) == ("999111333", "fingerprint", "zk/20180625T174105")
    (entry,) = (bytes.fromhex(row["hex"]) for row in rows if "attendance entry" in row["context"])
    assert records(entry, 40) == [Logged("999111333", naive(2018, 6, 25, 17, 50, 35), 0, 1)]
