"""scanner-evdev: what a scanner types is what it scanned."""

from __future__ import annotations

import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.registry import driver
from devices.scanner_evdev.frames import SIZE, EventParser, InputEvent, key_event
from devices.scanner_evdev.keys import ENTER, KEYPAD_ENTER, TAB
from devices.scanner_evdev.simulator import keystrokes, messages
from devices.scanner_serial.simulator import payment_code
from devices.simulator import PtyWay
from records.types import PaymentCode, Scan
from tests.devices.cases import decoder_of, fed, pieces_of

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
S = 1_000_000
EAN = "6901234567892"


def read(*data: bytes, **settings: Any) -> list[Item]:
    return fed(decoder_of("scanner-evdev", Context(), input="x", **settings), data, AT)


def codes(items: list[Item]) -> list[str]:
    return [item.data.code for item in items if isinstance(item, Reading) and isinstance(item.data, Scan)]


def presses(*keys: int, at: int = S, value: int = 1) -> bytes:
    return b"".join(key_event(at + 1000 * place, key, value) for place, key in enumerate(keys))


def test_every_character_is_typed_and_read() -> None:
    """All of printable ASCII, with shift where a US keyboard needs it."""
    text = "".join(map(chr, range(0x21, 0x7F)))
    assert codes(read(keystrokes(text, S))) == [text]
    assert codes(read(keystrokes("a b", S))) == ["a b"]


@pytest.mark.parametrize("end", [ENTER, KEYPAD_ENTER, TAB])
def test_enter_and_tab_end_a_code(end: int) -> None:
    """Whichever the scanner sends, before or behind."""
    typed = presses(2, 3, 4)
    assert codes(read(typed + presses(end, at=S + 9000) + presses(5, 6, 7, end, at=S + 20_000))) == ["123", "456"]
    assert codes(read(presses(end) + typed + presses(end, at=S + 9000))) == ["123"]


def test_a_gap_ends_a_code_of_a_scanner_without_suffix() -> None:
    """By the kernel's own times, however late they are read."""
    typed = presses(2, 3, 4) + presses(5, 6, 7, at=2 * S) + presses(8, 9, 10, at=2 * S + 100_000)
    assert codes(read(typed)) == ["123", "456789"]
    assert codes(read(typed, gap_s=0.05)) == ["123", "456", "789"]


def test_repeats_and_releases_type_nothing() -> None:
    """Only what is pressed counts; a shift that is held counts for all."""
    held = key_event(S, 42, 1) + presses(30, 31, at=S) + key_event(S, 42, 2) + presses(32, at=S) + key_event(S, 42, 0)
    assert codes(read(held + presses(30, at=S) + presses(30, 30, value=2) + presses(30, value=0))) == ["ASDa"]


def test_a_code_into_which_lost_events_fall_is_set_aside() -> None:
    """The kernel says that it dropped some: half a number must not become another one."""
    dropped = bytes(16) + (0).to_bytes(2, "little") + (3).to_bytes(2, "little") + bytes(4)
    items = read(presses(2, 3, 4) + dropped + presses(5, 6, 7, ENTER, at=S + 9000) + keystrokes(EAN, 2 * S))
    assert codes(items) == [EAN]
    assert [type(item) for item in items] == [Rejected, Reading]


def test_payment_codes_leave_no_trace() -> None:
    """Neither as a scan nor in raw bytes, whole, cut off or among noise."""
    rng = Random(3)
    for _ in range(50):
        code = payment_code(rng)
        items = read(keystrokes(code, S) + b"\xff" * 7 + keystrokes(code, 9 * S)[:-200])
        told = b"".join(repr(item).encode() + item.raw for item in items)
        assert code.encode() not in told
        assert code[:-2].encode() not in told
        assert isinstance(items[0], Reading)
        assert isinstance(items[0].data, PaymentCode)


@given(
    data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 5000), max_size=5), text=st.text("0123aB]$ ", max_size=9)
)
def test_chunking_and_noise_do_not_matter(data: bytes, cuts: list[int], text: str) -> None:
    """However the events are cut, noise before and between them, the same comes out."""
    line = data + keystrokes(text, S) + data + keystrokes(EAN, 2 * S)
    assert read(*pieces_of(line, cuts)) == read(line)


def test_garbage_is_told_in_few_words_and_none_of_its_bytes() -> None:
    """A megabyte of noise: bounded rejects, and a scan behind it is read."""
    items = read(Random(1).randbytes(1 << 20) + keystrokes(EAN, 1 << 41))
    assert 100 < sum(isinstance(item, Rejected) for item in items) < 3000
    assert all(item.raw == b"" for item in items if isinstance(item, Rejected) and "no input events" in item.reason)


def test_the_parser_reads_the_kernels_struct() -> None:
    """Two times of 64 bits, type, code and value, little endian."""
    event = EventParser().feed(bytes.fromhex("0100000000000000 0200000000000000 0100 1c00 01000000"))
    assert event == [InputEvent(1_000_002, 1, 28, 1)]
    assert len(key_event(0, 1, 1)) == 2 * SIZE


def test_the_simulator_types_what_the_line_says() -> None:
    """Everything decodes; articles, payment codes and misreads are among it."""
    said = [message.body for message in islice(messages(Random(3), AT, timedelta(seconds=1)), 300)]
    items = read(*said, scale_prefixes=["28"])
    assert len(items) == 300
    kinds = {type(item.data) if isinstance(item, Reading) else Rejected for item in items}
    assert kinds == {Scan, PaymentCode, Rejected}


# --- the device ----------------------------------------------------------------------------------------------------


@contextmanager
def opened(path: Path, **settings: Any) -> Iterator[Driver]:
    options = driver("scanner-evdev").options.model_validate(
        {"id": "s", "driver": "scanner-evdev", "input": path, **settings}
    )
    device = driver("scanner-evdev").device(options, Context())
    assert isinstance(device, Driver)
    device.open()
    try:
        yield device
    finally:
        device.close()


def some(device: Driver, count: int) -> list[Item]:
    items: list[Item] = []
    deadline = monotonic() + 60
    while len(items) < count:
        assert monotonic() < deadline
        items += device.read(0.2).items
    return items


def test_a_device_is_read_and_its_loss_is_told() -> None:
    """Over a terminal in the kernel's place: scans come, what was begun is handed over, then the device is down."""
    line = PtyWay()
    with opened(Path(line.port)) as device:
        line.write(keystrokes(EAN, S) + keystrokes("96385074", 2 * S)[:-96])
        assert codes(some(device, 1)) == [EAN]
        line.close()
        left = some(device, 1)
        assert [type(item) for item in left] == [Rejected]
        with pytest.raises(DeviceOffline, match="it is gone"):
            device.read(0.2)
        with pytest.raises(DeviceOffline, match="by-id"):
            device.open()


def test_a_silence_ends_a_code_without_suffix() -> None:
    """Though no further key comes."""
    line = PtyWay()
    with opened(Path(line.port), gap_s=0.05) as device:
        line.write(presses(2, 3, 4))
        assert codes(some(device, 1)) == ["123"]
    line.close()


def test_a_pipe_is_read_by_its_name_again_after_a_loss(tmp_path: Path) -> None:
    """Unplugged and plugged in under the same name, the next open reads on."""
    place = tmp_path / "usb-Scanner-event-kbd"
    for round_ in range(2):
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        place.unlink(missing_ok=True)
        place.symlink_to(os.ttyname(theirs))
        with opened(place) as device:
            os.write(ours, keystrokes(EAN, round_ * 10 * S + S))
            assert codes(some(device, 1)) == [EAN]
        os.close(ours)
        os.close(theirs)


def test_what_is_no_device_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A missing one, a file, a folder."""
    (tmp_path / "file").touch()
    for name, says in (("none", "by-id"), ("file", "no input device"), (".", "no input device")):
        with pytest.raises(DeviceOffline, match=says), opened(tmp_path / name):
            pass
