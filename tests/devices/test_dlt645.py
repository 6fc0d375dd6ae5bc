"""dlt645: answers of electricity meters become their totals; noise, wrong sums and other values never do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.dlt645.frames import frame, question
from devices.dlt645.simulator import ADDRESS, Meter, messages
from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.framing import MAX_NOISE
from devices.registry import driver
from records.types import Energy
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.devices.line import lost, opened, playing, until
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
TOTAL = b"\x00\x00\x01\x00"


def answer(hundredths: int, address: str = ADDRESS, identifier: bytes = TOTAL) -> bytes:
    return frame(address, 0x91, identifier + bytes.fromhex(f"{hundredths:08d}")[::-1])


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("dlt645", Context(), **settings), [data], AT)


def energies(items: list[Item]) -> list[tuple[str | None, str]]:
    data = [item.data for item in items if isinstance(item, Reading)]
    return [(one.meter, str(one.kwh)) for one in data if isinstance(one, Energy)]


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


def asking(port: str, **settings: Any) -> Driver:
    return opened("dlt645", **{"port": port, "interval_s": 1, "answer_s": 0.2, "parity": "N", **settings})


NOISY = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.integers(0, 99_999_999).map(answer),
        st.sampled_from([question(ADDRESS, "2007"), question(ADDRESS, "1997"), b"\xfe" * 4, b"\x68", answer(7)[:11]]),
        st.sampled_from([b"\x68" * 9, b"\x68" + bytes(6) + b"\x68\x91\xc8", bytes(5000)]),
    ),
    max_size=10,
).map(b"".join)


@given(line=NOISY, cuts=st.lists(st.integers(0, 12_000), max_size=8))
def test_chunking_does_not_matter(line: bytes, cuts: list[int]) -> None:
    """However the port slices the line, the same energies and the same noise come out."""
    pieces = pieces_of(line, cuts)
    assert fed(decoder_of("dlt645", Context()), pieces, AT) == read(line)


@given(noise=st.binary(max_size=60).filter(lambda noise: b"\x68" not in noise), total=st.integers(0, 99_999_999))
def test_an_answer_within_noise_is_found(noise: bytes, total: int) -> None:
    """Whatever stands before a good frame, it is read."""
    assert energies(read(noise + answer(total) + noise)) == [(ADDRESS, f"{total / 100:.2f}")]


def test_garbage_makes_few_and_bounded_rejects() -> None:
    """Noise is set aside in stretches, not byte by byte."""
    items = read(Random(4).randbytes(1 << 18))
    assert 50 < len(items) < 100
    assert all(isinstance(item, Rejected) and len(item.raw) <= MAX_NOISE for item in items)


def test_a_false_start_hides_no_frame() -> None:
    """A 68 in noise, one that fits for ten bytes, half a frame: the frame behind is read."""
    for junk in (b"\x68", b"\x68\xfe\xfe\xfe\xfe\xfe\xfe", b"\x68" + bytes(6) + b"\x68\x91\xc8", answer(1)[:12]):
        assert energies(read(junk + answer(4))) == [(ADDRESS, "0.04")], junk


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (frame(ADDRESS, 0x91, b"\x00\x00\x00\x00\x07\x00\x00\x80"), [(ADDRESS, "-0.07")]),
        (frame(ADDRESS, 0xB1, b"\x00\xff\x01\x00\x04\x00\x00\x00" + bytes(8)), [(ADDRESS, "0.04")]),
        (frame(ADDRESS, 0x81, b"\x10\x90\x15\x80\x95\x00"), [(ADDRESS, "9580.15")]),
        (frame(ADDRESS, 0x91, b"\x00\x01\x01\x02\x94\x23"), []),
        (frame(ADDRESS, 0x91, b"\x00\x00\x01\x01" + bytes(8)), []),
        (frame(ADDRESS, 0x93, bytes(6)), []),
        (question("AAAAAAAAAAAA", "2007"), []),
    ],
)
def test_only_totals_are_told(said: bytes, told: list[tuple[str, str]]) -> None:
    """Combined energy may be negative, totals stand before tariffs; voltages, demands and addresses are passed over."""
    items = read(said)
    assert (energies(items), reasons(items)) == (told, [])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(4)[:-2] + b"\x00\x16", "wrong checksum: 00, not"),
        (answer(4)[:-1] + b"\x17", "without its end"),
        (answer(4)[:-3], "half a frame"),
        (frame(ADDRESS, 0xD1, b"\x02"), "refuses to say its energy (code 02)"),
        (frame(ADDRESS, 0x91, TOTAL + b"\xff\xff\xff\xff"), "no number"),
        (frame(ADDRESS, 0x91, TOTAL + b"\x01"), "no number"),
        (b"\x11\x22\x33", "check baudrate"),
    ],
)
def test_what_is_broken_says_why(said: bytes, reason: str) -> None:
    """Each fault is one reject with its reason."""
    items = read(said)
    assert energies(items) == []
    assert [reason in told for told in reasons(items)] == [True]


def test_meters_have_the_names_they_were_given() -> None:
    """Others keep their address."""
    items = read(answer(1) + answer(2, "000000000007"), meters=[{"address": ADDRESS, "name": "shop"}])
    assert energies(items) == [("shop", "0.01"), ("000000000007", "0.02")]


def test_the_line_is_as_the_standard_says() -> None:
    """2400 8E1 for 2007 and 1200 for 1997, unless told; two meters cannot share an address."""
    options = driver("dlt645").options
    told = {"id": "m", "driver": "dlt645", "port": "p"}
    assert options.model_validate({**told, "standard": 1997}).model_dump()["baudrate"] == 1200
    assert options.model_validate({**told, "standard": "1997", "baudrate": 9600}).model_dump()["baudrate"] == 9600
    assert options.model_validate(told).model_dump()["baudrate"] == 2400
    with pytest.raises(ValidationError, match="same address"):
        options.model_validate({**told, "meters": [{"address": ADDRESS}, {"address": ADDRESS}]})


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes; the total only grows."""
    said = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(minutes=5)), 100))
    items = read(said)
    totals = [float(kwh) for _, kwh in energies(items)]
    assert len(totals) == len(items) == 100
    assert totals == sorted(totals)


@pytest.mark.parametrize("standard", ["2007", "1997"])
def test_the_only_meter_of_a_line_is_asked(standard: str) -> None:
    """Without knowing its address, in either edition."""
    with playing(Meter(ADDRESS, Random(1)).hear) as line:
        device = asking(line.port, standard=standard)
        items = until(device, lambda items: len(energies(items)) >= 2)
        device.close()
    assert {meter for meter, _ in energies(items)} == {ADDRESS}
    assert reasons(items) == []


def test_several_meters_are_read_in_turn() -> None:
    """One that is silent is told once and keeps nobody waiting; noise before an answer does no harm."""
    one, other = Meter("000000000001", Random(1)), Meter("000000000003", Random(2))
    meters = [{"address": f"00000000000{number}", "name": f"m{number}"} for number in (1, 2, 3)]
    with playing(lambda said: b"\x00\xff" + one.hear(said) + other.hear(said)) as line:
        device = asking(line.port, meters=meters)
        items = until(device, lambda items: len(energies(items)) >= 4)
        device.close()
    assert [meter for meter, _ in energies(items)][:4] == ["m1", "m3", "m1", "m3"]
    assert [told for told in reasons(items) if "answer" in told] == [
        "meter 000000000002 does not answer; check its address and wiring"
    ]


def test_a_line_on_which_nobody_answers_is_offline() -> None:
    """With what to check; and so is one that is unplugged, and one that was never there."""
    with playing(lambda _: b"") as line:
        device = asking(line.port)
        assert "check wiring" in lost(device)
        device.close()
    with playing(Meter(ADDRESS, Random(1)).hear) as line:
        device = asking(line.port)
        until(device, lambda items: bool(energies(items)))
    assert "check the cable" in lost(device)
    device.close()
    with pytest.raises(DeviceOffline, match="no such port"):
        asking("/dev/serial/by-id/none")


@needs_samples
def test_frames_of_real_meters_are_read() -> None:
    """Every answer with a right checksum gives its energy; the others say what is wrong."""
    assert SHARED
    rows = json.loads((SHARED / "samples/energy_meter/dlt645_frames.json").read_text(encoding="utf-8"))
    told = [kwh for row in rows for _, kwh in energies(read(bytes.fromhex(row["hex"])))]
    assert told == ["0.04", "0.07", "0.07", "9580.15", "49.28"]
    for row in rows:
        wrong = [reason for reason in reasons(read(bytes.fromhex(row["hex"]))) if "checksum" in reason]
        assert bool(wrong) == (not row["checksum_ok"] and not row["hex"].startswith("68 fe")), row["hex"]
