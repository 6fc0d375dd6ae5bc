"""Cutting a printer's input: every command is as long as its manual says, whatever it holds."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Rejected
from devices.escpos_tap.stream import KEPT, Control, Stray, StreamParser, Text
from tests.devices.cases import pieces_of
from tests.devices.cases import printed as printed_items
from tests.devices.escpos_tap.tapped import printed, tapped

QR = b"\x1d(k\x08\x001P0RF123\x1d(k\x03\x001Q0"
RASTER = b"\x1dv0\x00\x02\x00\x03\x00" + b"\x10\x04\x01\x1b@\x0a"

COMMANDS = [  # each from a manual; behind each stands text, which a wrong length would eat or lengthen
    b"\x1b2", b"\x1b<", b"\x1bL", b"\x1bS", b"\x1c&", b"\x1c.", b"\x1bq", b"\x1bv",
    b"\x1b!A", b"\x1bEA", b"\x1baA", b"\x1b-A", b"\x1bMA", b"\x1bdA", b"\x1bJA", b"\x1b3A", b"\x1bR\x00",
    b"\x1b{A", b"\x1b A", b"\x1bGA", b"\x1brA", b"\x1beA", b"\x1b=A", b"\x1bVA", b"\x1bTA", b"\x1b%A", b"\x1b?A",
    b"\x1bu0", b"\x1d!A", b"\x1dBA", b"\x1dhA", b"\x1dwA", b"\x1dHA", b"\x1dbA", b"\x1daA", b"\x1drA",
    b"\x1dfA", b"\x1dIA", b"\x1djA", b"\x1c!A", b"\x1cC0", b"\x1cWA", b"\x1c-A",
    b"\x1bc3A", b"\x1bc4A", b"\x1bc5A", b"\x1bc0A", b"\x1bc1A", b"\x1bc\x00", b"\x1b8\x04", b"\x1bl\x00", b"\x1bi\x01",
    b"\x1b$AB", b"\x1b\\\x05\x00", b"\x1dLAB", b"\x1dWAB", b"\x1dPAB", b"\x1cSAB", b"\x1d$AB", b"\x1d\\AB", b"\x1bfAB",
    b"\x1d^ABC", b"\x1dz0AB", b"\x1bWABCDEFGH", b"\x1bC123", b"\x1bBAB",
    b"\x1bD\x08\x10\x18\x00", b"\x1bD\x00", b"\x1b&\x03AB\x01ABC\x02ABCDEF",
    b"\x1d(A\x02\x00AB", b"\x1d(E\x03\x00ABC", b"\x1d(K\x02\x00AB", b"\x1c(A\x02\x00AB", b"\x1b(A\x04\x00ABCD",
    b"\x1d8L\x0a\x00\x00\x00" + b"A" * 10, b"\x1d*\x01\x01" + b"A" * 8, b"\x1c2AB" + b"A" * 72,
    b"\x1cq\x01\x01\x00\x01\x00" + b"A" * 8, b"\x1cg1\x00\x00\x00\x00\x00\x02\x00AB",
    b"\x1cg2\x00\x00\x00\x00\x00\x02\x00",
    b"\x1dC0AB", b"\x1dC1ABCDEF", b"\x1dC2AB", b"\x1dC;1;2;3;4;5;", b"\x1dg0\x00AB", b"\x1d:", b"\x1dEA", b"\x1d|A",
    b"\x10\x04\x01", b"\x10\x04\x07\x01", b"\x10\x05\x01", b"\x10\x14\x02\x01\x08", b"\x10\x14\x07\x01",
    b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08", b"\x10\x14\x03ABCDE",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.hex())
def test_text_behind_a_command_is_neither_eaten_nor_lengthened(command: bytes) -> None:
    """What stands before and behind a command is printed, and nothing of the command is."""
    text = printed(b"before\n" + command + b"behind\n")
    assert [line.strip() for line in text.split("\n") if line] == ["before", "behind"]


@pytest.mark.parametrize("head", [b"\x1b*\x00\x05\x00", b"\x1b*\x21\x02\x00", b"\x1bK\x05\x00"])
def test_a_strip_of_dots_is_as_long_as_its_columns(head: bytes) -> None:
    """One byte a column, three with 24 dots; dots are never text."""
    dots = b"A" * (6 if head[2:3] == b"\x21" else 5)
    assert printed(b"before\n" + head + dots + b"behind") == "before\nbehind"


@pytest.mark.parametrize(
    "cut", [b"\x1dV\x00", b"\x1dV1", b"\x1dVB\x03", b"\x1dVA\x10", b"\x1dVa\x00", b"\x1bi", b"\x1bm"]
)
def test_every_cut_ends_a_receipt(cut: bytes) -> None:
    """Plain, fed and old cuts; the next receipt begins right behind."""
    texts = [item["data"]["text"] for item in printed_items(tapped(b"one\n" + cut + b"\x1ba\x01two\n" + cut))]
    assert texts == ["one", "two"]


def test_reverse_feed_is_told_from_a_bitmap() -> None:
    """`ESC K n` before a command is Epson's feed; with a plausible width it is a bitmap."""
    assert printed(b"a\n\x1bK\x18\x1bE\x01b") == "a\nb"


def test_real_time_commands_within_data_belong_to_the_data() -> None:
    """A raster may hold DLE EOT, ESC @ and line feeds; one behind half a character does not break it."""
    parser = StreamParser()
    names = [
        token.name for token in parser.feed(RASTER + b"\x1b3\x10\x04\x01") if not isinstance(token, Text | Control)
    ]
    assert names == ["GS v", "ESC 3"]
    assert printed("警".encode("gb18030")[:1] + b"\x10\x04\x01" + "警铃".encode("gb18030")[1:]) == "警铃"


def test_an_unknown_command_costs_one_letter() -> None:
    """ESC and its letter go, what follows is read on; without a letter only ESC goes."""
    assert printed(b"the corner shop a\x1b~b\x1d\x01c\x1b\nd") == "the corner shop abc\nd"
    assert printed(b"\x1b" + "故障".encode("gb18030")) == "故障"
    assert [type(token) for token in StreamParser().feed(b"\x1b~")] == [Stray]


def test_impossible_lengths_swallow_nothing() -> None:
    """An image of gigabytes is a damaged length: what follows is still read."""
    assert "TOTAL" in printed(b"corner shop at the station\n\x1dv0\x00\xff\xff\xff\xff\nTOTAL 1.00\n")


def test_a_stream_cut_in_a_command_keeps_what_was_printed() -> None:
    """Half a command, half an image, half a character at the end of the input take nothing with them."""
    for rest in (b"\x1bJ", b"\x1b", b"\x1dv0\x00\x10", RASTER[:-2], b"\x10\x04"):
        assert printed(b"shop\n" + rest) == "shop"


def test_memory_is_bounded_in_an_image() -> None:
    """Megabytes of dots pass through; none stay."""
    parser = StreamParser()
    parser.feed(b"\x1dv0\x00\x00\x01\x00\x40")
    for _ in range(64):
        parser.feed(b"\x1b@" * 32768)
        assert len(parser._buffer) <= KEPT


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [*COMMANDS, RASTER, QR, b"\x1b@", b"\x1dV\x00", b"\x1bp\x00\x3c\x78", b"\x10\x14\x01\x00\x05", b"\n"]
        ),
        st.sampled_from(
            ["合计 12.00\n".encode("gb18030"), b"TOTAL 1.00\r\n", b"x" * 9100, b"\x1dkE\x0212", b"\x1dk\x0412\x00"]
        ),
        st.sampled_from([b"\x1d8L" + (9000).to_bytes(4, "little"), b"A" * 4000, b"\x1bi", b"\x1b=\x02", b"\x1b=\x01"]),
    ),
    max_size=14,
).map(b"".join)


@given(line=PIECES, cuts=st.lists(st.integers(0, 40_000), max_size=6))
def test_chunking_does_not_matter(line: bytes, cuts: list[int]) -> None:
    """However the line is cut, the same comes out."""
    assert tapped(*pieces_of(line, cuts)) == tapped(line)


@given(line=PIECES.filter(lambda line: len(line) < 400))
def test_byte_by_byte_is_no_different(line: bytes) -> None:
    """The same again with every byte alone."""
    assert tapped(*(line[place : place + 1] for place in range(len(line)))) == tapped(line)


@given(line=PIECES, end=st.integers(0, 40_000))
def test_truncation_loses_no_receipt_before_it(line: bytes, end: int) -> None:
    """A receipt that was cut off the paper before the loss is the same with and without what follows."""
    whole = tapped(b"RECEIPT 1\n\x1dV\x00\x1b@" + line[:end])
    assert printed_items(whole)[0]["data"]["text"] == "RECEIPT 1"


def test_a_megabyte_of_noise_is_set_aside() -> None:
    """In bounded pieces, mostly as what it is, without failing."""
    items = tapped(Random(4).randbytes(1 << 20))
    rejects = [item for item in items if isinstance(item, Rejected)]
    assert len(rejects) > 10
    assert max(len(item.raw) for item in rejects) <= 4096
    assert len(rejects) > len(items) / 2


@pytest.mark.long
def test_a_hundred_thousand_mutated_receipts_fail_nowhere() -> None:
    """Bytes changed, lost, doubled and moved in receipts of every kind."""
    rng, read = Random(7), 0
    seeds = [b"".join(rng.sample(COMMANDS, 12)) + "合计 12.00\n".encode("gb18030") + RASTER + QR for _ in range(50)]
    for _ in range(100_000):
        line = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 8)):
            place = rng.randrange(len(line))
            line[place : place + rng.randint(0, 4)] = rng.randbytes(rng.randint(0, 4))
        read += bool(tapped(bytes(line)))
    assert read > 90_000
