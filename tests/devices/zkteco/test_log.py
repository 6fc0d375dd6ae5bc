"""zkteco: packets and logs become punches that name nobody."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, Reading, Rejected
from devices.punch_log import Logged
from devices.zkteco.frames import DATA, EVENT, OK, READ, Packet, PacketParser, packet
from devices.zkteco.log import guessed, records, seconds_of, when
from devices.zkteco.simulator import Terminal, record
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from records import to_json
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.zkteco.terminal import (
    AT,
    QUESTION,
    fetched,
    local,
    naive,
    punched,
    punches,
    read,
    told,
)
from tests.samples import SHARED, needs_samples

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
