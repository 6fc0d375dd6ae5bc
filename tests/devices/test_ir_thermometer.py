"""ir-thermometer: frames of a noisy line become checks with a verdict."""

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

from devices.driver import Context, Item, Reading, Rejected
from devices.framing import MAX_NOISE
from devices.ir_thermometer.simulator import frame, messages
from records.types import TempCheck
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


def read(data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("ir-thermometer", Context(), **settings), [data], AT)


def verdicts(*said: tuple[float, float], **settings: Any) -> list[str]:
    """The verdicts on temperatures, each at its second."""
    device = decoder_of("ir-thermometer", Context(), **settings)
    items = [item for second, celsius in said for item in device.feed(frame(celsius), AT + timedelta(seconds=second))]
    return [item.data.verdict for item in items if isinstance(item, Reading) and isinstance(item.data, TempCheck)]


NOISY = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [b"\x66", b"\x66\x66", b"\x66\x66\x01", frame(36.5), frame(37.6), frame(37.6)[:5], bytes(5000)]
        ),
        st.floats(-70, 300).map(frame),
    ),
    max_size=10,
).map(b"".join)


@given(line=NOISY, cuts=st.lists(st.integers(0, 12_000), max_size=8))
def test_chunking_does_not_matter(line: bytes, cuts: list[int]) -> None:
    """However the port slices the line, the same checks and the same noise come out."""
    pieces = pieces_of(line, cuts)

    assert fed(decoder_of("ir-thermometer", Context()), pieces, AT) == read(line)


@given(line=NOISY)
def test_no_byte_is_lost(line: bytes) -> None:
    """All that came is in some frame or some noise, in its order."""
    assert b"".join(item.raw for item in read(line)) == line


def test_garbage_makes_few_and_bounded_rejects() -> None:
    """A megabyte of noise is set aside in stretches, not byte by byte."""
    rejects = [item for item in read(Random(4).randbytes(1 << 20)) if isinstance(item, Rejected)]

    assert 200 < len(rejects) < 400
    assert max(len(item.raw) for item in rejects) == MAX_NOISE


def test_a_good_frame_within_a_false_start_is_found() -> None:
    """Resynchronising never skips a frame."""
    for junk in (b"\x66", b"\x66\x66\x01\x04\x0e", b"\x66\x66\x01\x04\x00\x00\x00\x00"):
        items = read(junk + frame(36.5))
        assert [type(item) for item in items] == [Rejected, Reading], junk


def test_a_wrong_checksum_is_told() -> None:
    """The reason names what the sum was and what it should have been."""
    (item,) = read(bytes.fromhex("666601040A830A831B"))
    assert isinstance(item, Rejected)
    assert item.reason == "wrong checksum: 1B, not 1A"


def test_values_are_signed_hundredths() -> None:
    """A sensor outside in winter says less than zero."""
    (item,) = read(frame(-12.34, -20.0))
    assert isinstance(item, Reading)
    assert item.data == TempCheck(-12.34, "invalid", ambient_celsius=-20.0)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([(0, 36.5)], ["normal"]),
        ([(0, 37.6), (20, 36.8)], ["suspect", "resolved"]),
        ([(0, 37.6), (20, 37.7)], ["suspect", "confirmed"]),
        ([(0, 25.0)], ["invalid"]),
        ([(0, 44.0)], ["invalid"]),
        ([(0, 37.6), (10, 25.0), (20, 36.8)], ["suspect", "invalid", "resolved"]),
        ([(0, 37.6), (61, 36.8)], ["suspect", "normal"]),
        ([(0, 37.6), (61, 37.7)], ["suspect", "suspect"]),
        ([(0, 37.6), (20, 37.7), (30, 36.5)], ["suspect", "confirmed", "normal"]),
        ([(0, 37.29), (1, 37.3)], ["normal", "suspect"]),
    ],
)
def test_verdicts(said: list[tuple[float, float]], expected: list[str]) -> None:
    """A second check within the window decides a suspect one; an invalid one decides nothing."""
    assert verdicts(*said) == expected


def test_a_suspect_check_survives_a_restart() -> None:
    """What is committed with the suspect reading lets the next start confirm it; a decided one is forgotten."""
    (suspect,) = decoder_of("ir-thermometer", Context()).feed(frame(37.6), AT)
    state = {key: value for key, value in suspect.state.items() if value is not None}
    again = decoder_of("ir-thermometer", Context(state=state))
    (second,) = again.feed(frame(37.7), AT + timedelta(seconds=30))

    assert isinstance(second, Reading)
    assert isinstance(second.data, TempCheck)
    assert second.data.verdict == "confirmed"
    assert list(second.state.values()) == [None]


def test_continuous_measuring_gives_one_record_a_person() -> None:
    """With a gap set, frames close together are one person at the warmest; room temperature is nobody."""
    device = decoder_of("ir-thermometer", Context(), gap_s=2)
    stream = [(0, 22.0), (0.2, 36.1), (0.4, 36.6), (0.6, 36.4), (0.8, 22.1), (1.5, 36.2), (5, 36.9), (5.2, 36.3)]
    items = [item for second, celsius in stream for item in device.feed(frame(celsius), AT + timedelta(seconds=second))]
    items += device.end(AT + timedelta(seconds=9))

    told = [(item.data.celsius, item.at) for item in items if isinstance(item, Reading)]  # type: ignore[attr-defined]
    assert told == [
        (celsius, AT + timedelta(seconds=second)) for celsius, second in [(36.6, 0.4), (36.2, 1.5), (36.9, 5)]
    ]


def test_thresholds_must_rise() -> None:
    """A suspect threshold out of the valid range is refused."""
    with pytest.raises(ValidationError, match="rise"):
        decoder_of("ir-thermometer", Context(), suspect_c=41.0, valid_max_c=40.5)


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes, with every first verdict among it."""
    said = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(seconds=1)), 1000))
    items = read(said)

    assert len(items) == 1000
    assert all(isinstance(item, Reading) for item in items)
    assert {"normal", "suspect", "invalid"} <= {item.data.verdict for item in items}  # type: ignore[union-attr]


@needs_samples
def test_the_captured_frame_is_read() -> None:
    """The frame that a driver's author recorded gives its temperature."""
    assert SHARED
    (case,) = json.loads((SHARED / "samples/thermometer/ir_body_temp_66_66_frame.json").read_text())
    (item,) = read(bytes.fromhex(case["hex"]))
    assert isinstance(item, Reading)
    assert item.data == TempCheck(26.91, "invalid", ambient_celsius=26.91)
