"""scale: what scales of many makers send becomes stable weights, however the port cuts it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, Item, Reading, Rejected
from devices.framing import MAX_NOISE
from devices.scale.lines import read as read_line
from devices.scale.simulator import Toledo8217, asked, cas, line, messages, toledo, yaohua
from devices.simulator import PtyWay
from records.types import Weight
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import lost, made, playing, until
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
KG = Decimal("1.234")
SAYS_KG = st.integers(-3000, 9999).map(lambda grams: Decimal(grams).scaleb(-3))


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("scale", Context(), **settings), [data], AT)


def weights(items: list[Item]) -> list[str]:
    return [str(item.data.kg) for item in items if isinstance(item, Reading) and isinstance(item.data, Weight)]


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


PARTS = st.one_of(
    st.binary(max_size=30),
    SAYS_KG.map(line),
    SAYS_KG.map(lambda kg: line(kg, stable=False)),
    SAYS_KG.map(toledo),
    SAYS_KG.map(lambda kg: toledo(kg, check=False)),
    SAYS_KG.map(cas),
    SAYS_KG.map(yaohua),
    st.sampled_from(
        [asked(None), asked(KG), b"\x02", b"\x01\x02S", b"   1.640 kg    N\r\n", b"ST,GS,\x01\x88,   1.0 kg\r"]
    ),
    st.sampled_from(
        [b"^KJIK000\r\n", b"  1.94 kg\r\n", b"~P1\r\n", b"F      0.0\n4    3.5\nV1\n", b"1.5\r", b"\r\n", b"ST,GS,"]
    ),
)
STREAM = st.lists(PARTS, max_size=12).map(b"".join)


@given(stream=STREAM, cuts=st.lists(st.integers(0, 400), max_size=8))
def test_chunking_does_not_matter(stream: bytes, cuts: list[int]) -> None:
    """However the port slices the line, the same weights and the same noise come out."""
    pieces = pieces_of(stream, cuts)
    assert fed(decoder_of("scale", Context()), pieces, AT) == read(stream)


@given(stream=STREAM)
def test_byte_by_byte_is_the_same(stream: bytes) -> None:
    """The slowest line says what the fastest does."""
    assert fed(decoder_of("scale", Context()), [bytes((byte,)) for byte in stream], AT) == read(stream)


def test_garbage_makes_few_and_bounded_rejects() -> None:
    """Noise of another baud rate is set aside in stretches, never line by line."""
    items = read(bytes(byte & 0x7F | 0x60 for byte in Random(4).randbytes(1 << 18)))
    assert all(isinstance(item, Rejected) for item in items)
    assert 50 < len(items) < 100
    assert max(len(item.raw) for item in items) <= MAX_NOISE


@pytest.mark.parametrize(
    ("text", "kg", "state"),
    [
        ("ST,GS,+  1.234kg", "1.234", "stable"),
        ("US,NT,-  1.234kg", "-1.234", "moving"),
        ("ST,GS    20.7g", "0.0207", "stable"),
        ("ST,GS,   245.6 g", "0.2456", "stable"),
        ("ST,+00123.45  g", "0.12345", "stable"),
        ("OL,GS,+-------kg", None, "stable"),
        ("ST,TR,+  0.100kg", None, "stable"),
        ("QT,+0000012 PC", None, "stable"),
        ("S S     100.00 g", "0.10000", "stable"),
        ("S D     100.00 g", "0.10000", "moving"),
        ("S -", None, "stable"),
        ("N       0.3749 g", "0.0003749", "stable"),
        ("N       0.3749", "0.3749", "moving"),
        ("-  1.640 kg    N", "-1.640", "stable"),
        ("1.640 kg  ? N", "1.640", "moving"),
        ("+007.12/3 G S", "0.007123", "stable"),
        ("+007.12/3 G U", "0.007123", "moving"),
        ("2,500 kg", "2.500", "stable"),
        ("1 lb", "0.4535924", "stable"),
        ("12 pcs", None, "stable"),
        ("=00004.8(kg)", "4.8", "unsaid"),
        ("1.5", "1.5", "unsaid"),
    ],
)
def test_lines_of_every_maker_are_read(text: str, kg: str | None, state: str) -> None:
    """The weight, its unit, and whether it lies still."""
    said = read_line(text, "kg")
    assert said is not None
    assert (said.kg, said.state) == (None if kg is None else Decimal(kg), state) or kg is None is said.kg


@pytest.mark.parametrize("text", ["S    20.7g", "4.54pH 24.7øC ATC", "11:16", "20-Feb-2023", "PLU 7", "kg", "ST,GS,kg"])
def test_what_is_no_weight_is_none(text: str) -> None:
    """The end of a line, other devices, dates."""
    assert read_line(text, "kg") is None


def test_only_stable_positive_weights_count() -> None:
    """Moving, empty, negative and overloaded plates say nothing."""
    said = [line(KG, stable=False), line(Decimal(0)), line(-KG), b"OL,GS,+999999kg\r\n", asked(None), line(KG)]
    assert weights(read(b"".join(said))) == ["1.234"]
    assert weights(read(line(Decimal("0.004")) + line(Decimal("0.006")), min_g=5)) == ["0.006"]


def test_a_first_line_that_is_shorter_was_cut() -> None:
    """'0.7 g' is the end of '20.7 g', not a weight; alone, or before an equal one, it is one."""
    assert weights(read(b"0.7 g\r\n    20.7 g\r\n    20.7 g\r\n")) == ["0.0207", "0.0207"]
    assert weights(read(b"20.7 g\r\n20.7 g\r\n")) == ["0.0207", "0.0207"]
    assert weights(read(b"20.7 g\r\n")) == ["0.0207"]


def test_what_is_half_is_no_weight() -> None:
    """A line without end might go on."""
    items = read(b"ST,GS,+  1.2")
    assert (weights(items), reasons(items)) == ([], ["half a line"])


@pytest.mark.parametrize(
    ("frame", "place"), [(toledo(KG), -1), (cas(KG), -3), (yaohua(KG), -2)], ids=["toledo", "cas", "yaohua"]
)
def test_a_wrong_checksum_is_told(frame: bytes, place: int) -> None:
    """Nothing is weighed by a frame whose sum is wrong, and the next one is read."""
    wrong = bytearray(frame)
    wrong[place] ^= 1
    (first, *more) = read(bytes(wrong) + frame * 3)
    assert isinstance(first, Rejected)
    assert "wrong checksum" in first.reason
    assert set(weights(more)) == {"1.234"}


def test_toledo_with_and_without_a_check() -> None:
    """Every weight, among them those whose check looks like the next frame's beginning."""
    for check in (True, False):
        for grams in range(1, 2000):
            said = toledo(Decimal(grams).scaleb(-3), check=check)
            assert weights(read(said * 2)) == [f"{grams / 1000:.3f}"] * 2, (check, grams)


def test_weights_that_say_nothing_of_moving_have_to_settle() -> None:
    """Three equal ones by default."""
    said = b"".join(yaohua(Decimal(kg)) for kg in ("1.1", "1.2", "1.2", "1.2", "0", "0", "0", "0"))
    assert weights(read(said)) == ["1.200"]
    assert weights(read(said, settle=2)) == ["1.200", "1.200"]
    assert weights(read(b"1.5\r\n" * 4)) == ["1.5", "1.5"]


def test_units_that_are_not_said_are_the_settings() -> None:
    """A counter scale that weighs in 斤 without saying so."""
    assert weights(read(asked(Decimal("1.5")), unit="jin")) == ["0.7500"]
    assert weights(read(asked(Decimal("1.5")), unit="g")) == ["0.001500"]


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes, and every weighing is told."""
    said = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(seconds=1)), 400))
    assert len(weights(read(said))) == 200
    assert reasons(read(said)) == []


def test_a_scale_that_has_to_be_asked_is() -> None:
    """A Toledo 8217 answers questions; a weight that stays is told once."""
    expected = [kg for kg, stable in islice(_course(1), 40) if stable and kg]
    with playing(Toledo8217(Random(1)).hear) as way:
        device = made("scale", port=way.port, protocol="toledo-8217", bytesize=8, parity="N", interval_s=0.05)
        device.open()
        items = until(device, lambda items: len(items) >= 3)
        device.close()
    assert weights(items)[:3] == [f"{kg:.3f}" for kg in expected[::2][:3]]


def _course(seed: int) -> Iterator[tuple[Decimal, bool]]:
    scale = Toledo8217(Random(seed))
    while True:
        answer = scale.hear(b"W")
        yield (Decimal(0), False) if b"?" in answer else (Decimal(answer[1:-1].decode()), True)


def test_a_scale_that_never_answers_is_offline() -> None:
    """Ten questions without an answer; it says what to check."""
    with playing(lambda _: b"") as way:
        device = made("scale", port=way.port, ask="W", interval_s=0.05)
        device.open()
        assert "does not answer; check power" in lost(device)
        device.close()


def test_a_weight_that_stays_is_told_once() -> None:
    """Ten lines a second of one parcel are one record; the same again after an empty plate is another."""
    way = PtyWay()
    device = made("scale", port=way.port)
    device.open()
    way.write(line(KG) * 5 + line(KG, stable=False) + line(KG) + line(Decimal(0)) + line(KG) * 3 + line(Decimal(2)))
    items = until(device, lambda items: len(items) >= 3)
    device.close()
    way.close()
    assert weights(items) == ["1.234", "1.234", "2.000"]


def capture(file: Path) -> bytes:
    """The bytes of a capture, or of a listing of them in hexadecimal."""
    if file.suffix == ".bin" or "tfo1" in file.name:
        return file.read_bytes()
    listed = (re.match(r"(?:[0-9A-F]{2} )+", text) for text in file.read_text(errors="replace").splitlines())
    return bytes.fromhex("".join(found[0] for found in listed if found))


SAMPLES = {  # file: the weights that it says, and how much of it is set aside
    "jik6cab_1.bin": ({"1.94"}, 0),
    "mettler_ms204.bin": ({"0.0003749", "0.0003747", "0.0003746"}, 0),
    "tscale_nhb.bin": ({"0.0207"}, 1),
    "tscale_nhb2.bin": ({"0.0855", "0.1062"}, 0),
    "weight_spun_text.txt": ({"20.0"}, 2),
    "weight_qa.bin": ({"0.007123", "0.008122", "0.001236", "0.002235", "0.002234", "0.009360"}, 0),
    "tfo1_log1.txt": ({"343.5"}, 2),
    "ph_meter.bin": (set(), 1),
}


@needs_samples
@pytest.mark.parametrize("name", SAMPLES)
def test_captures_of_real_scales_are_read(name: str) -> None:
    """Every weight that lay still, and only what no scale said is set aside."""
    assert SHARED
    items = read(capture(SHARED / "samples/scale" / name))
    assert (set(weights(items)), len(reasons(items))) == SAMPLES[name]
