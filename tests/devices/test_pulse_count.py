"""pulse-count: contacts on modem lines become who came and went, however they bounce and however late one looks."""

from __future__ import annotations

import os
import pty
import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Context, DeviceOffline, Driver, Item, Reading, Rejected
from devices.pulse_count.driver import PulseCounter, PulseDriver, decoder, device
from devices.pulse_count.frames import Sample
from devices.pulse_count.modem import ModemLines
from devices.pulse_count.options import Options
from devices.pulse_count.simulator import messages
from devices.simulator import PtyWay
from records.types import DoorCount
from tests.devices.cases import decoder_of, fed, pieces_of

NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)


def options(**settings: Any) -> Options:
    return Options.model_validate({"id": "door", "driver": "pulse-count", "port": "/dev/ttyS9", **settings})


def data(items: list[Item]) -> list[DoorCount]:
    return [cast(DoorCount, item.data) for item in items if isinstance(item, Reading)]


def counted(looks: list[Sample], **settings: Any) -> tuple[int, int]:
    counter = PulseCounter(options(**settings), Context())
    items = [item for look in looks for item in counter.look(look, NINE + timedelta(milliseconds=look.ms))]
    items += counter.flush(NINE + timedelta(milliseconds=looks[-1].ms))
    told = data(items)
    return sum(count.in_ for count in told), sum(count.out for count in told)


def cts(*looks: tuple[int, int, int]) -> list[Sample]:
    """Looks at CTS alone: milliseconds, edges, level."""
    return [Sample(ms, (edges, 0, 0, 0), level) for ms, edges, level in looks]


class Script:
    """A line reader that tells prepared looks, then the last of them, or is gone."""

    def __init__(self, looks: list[Sample], *, ends: bool) -> None:
        self._looks = looks
        self._place = 0
        self._ends = ends

    def open(self) -> None:
        if self._ends and self._place >= len(self._looks):
            raise DeviceOffline("gone")

    def sample(self) -> Sample:
        self.open()
        look = self._looks[min(self._place, len(self._looks) - 1)]
        self._place += 1
        return look

    def close(self) -> None:
        """Holds nothing."""


@given(
    body=st.lists(
        st.one_of(
            st.binary(max_size=30), st.sampled_from([b"1 1 0 0 0 1\n", b"70000 9 0 0 0 0\r\n", b"\n", b"9" * 300])
        )
    ).map(b"".join),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_chunking_does_not_matter(body: bytes, cuts: list[int]) -> None:
    """However lines come in, the same counts and the same noise come out."""
    pieces = pieces_of(body, cuts)
    one, other = (decoder_of("pulse-count", Context(), reader="text") for _ in range(2))
    assert fed(one, pieces, NINE) == fed(other, [body], NINE)


def test_both_edges_are_one_pulse_and_bounces_are_none() -> None:
    """Rest to active counts, staying active and going back does not, whatever bounced in between."""
    walk = cts((0, 7, 0), (50, 8, 1), (100, 8, 1), (150, 11, 1), (200, 12, 0), (250, 12, 0), (300, 17, 1), (350, 18, 0))
    assert counted(walk, out_line="dsr") == (2, 0)


def test_a_pulse_between_two_looks_is_seen_by_its_edges() -> None:
    """There and back within one look is one pulse, and one edge without a change of level is none."""
    assert counted(cts((0, 0, 0), (50, 2, 0), (100, 6, 0), (150, 6, 0)), out_line="dsr") == (2, 0)
    assert counted(cts((0, 0, 0), (50, 1, 0)), out_line="dsr") == (0, 0)


def test_a_late_look_counts_by_edges() -> None:
    """After seconds in which the box was busy, the kernel's count tells how many passed, from any level to any."""
    for before, after, edges, people in ((0, 0, 8, 4), (0, 1, 7, 4), (1, 0, 7, 3), (1, 1, 8, 4)):
        assert counted(cts((0, 10, before), (5000, 10 + edges, after)), out_line="dsr") == (people, 0)


def test_the_ring_line_counts_one_edge() -> None:
    """RI tells its trailing edge alone: with levels seen, by edges between looks, and after a late look."""
    seen = [(0, 0, 0), (50, 0, 4), (100, 1, 0), (150, 2, 0), (5000, 5, 0)]
    looks = [Sample(ms, (0, 0, edges, 0), levels) for ms, edges, levels in seen]
    assert counted(looks, in_line="ri", out_line="dsr") == (5, 0)


def test_an_opening_contact_is_active_low() -> None:
    """Between two people the line is high."""
    assert counted(cts((0, 0, 1), (50, 1, 0), (100, 2, 1), (150, 4, 1)), out_line="dsr", active="low") == (2, 0)


def test_one_beam_is_halved_and_the_odd_one_waits() -> None:
    """Three passages are one in and one out; the fourth makes two, also after a restart."""
    state: dict[str, bytes] = {}
    told = []
    for passages in (3, 1, 0):
        counter = PulseCounter(options(), Context(state=dict(state)))
        counter.look(Sample(0, (0, 0, 0, 0), 0), NINE)
        (reading,) = counter.look(Sample(60_000, (2 * passages, 0, 0, 0), 0), NINE + timedelta(minutes=1))
        state |= {key: value for key, value in reading.state.items() if value is not None}
        told += data([reading])
    assert [(count.in_, count.out) for count in told] == [(1, 1), (1, 1), (0, 0)]
    assert [count.gap for count in told] == [False, True, True]


def test_a_record_each_interval_zeros_included() -> None:
    """From and to follow each other."""
    counter = PulseCounter(options(interval_s=1), Context())
    items: list[Item] = []
    for ms in range(0, 5001, 50):
        items += counter.look(Sample(ms, (0, 0, 0, 0), 0), NINE + timedelta(milliseconds=ms))
    told = data(items)
    assert len(told) == 5
    assert all(before.to == after.from_ for before, after in pairwise(told))


def test_counts_that_fall_are_a_port_loaded_anew() -> None:
    """An adapter that was plugged in again counts from 0; the counts of 32 bits run over."""
    assert counted(cts((0, 500, 0), (50, 2, 0), (100, 4, 0)), out_line="dsr") == (1, 0)
    assert counted(cts((0, 0xFFFFFFFF, 0), (50, 1, 0)), out_line="dsr") == (1, 0)


def test_a_port_that_is_lost_hands_over_what_it_had() -> None:
    """What was counted comes first, then the loss."""
    looks = cts((0, 0, 0), (1, 1, 1), (2, 2, 0))
    driver = PulseDriver(options(debounce_ms=1, out_line="dsr"), Context(), Script(looks, ends=True))
    driver.open()
    (count,) = data(list(driver.read(5).items))
    assert (count.in_, count.gap) == (1, False)
    with pytest.raises(DeviceOffline):
        driver.read(0)
    driver.close()
    with pytest.raises(DeviceOffline):
        driver.open()


def test_what_passes_while_the_port_is_lost_is_a_gap() -> None:
    """Edges counted out of sight are nobody's: the port may have been plugged into something else."""
    counter = PulseCounter(options(out_line="dsr"), Context())
    counter.look(Sample(0, (0, 0, 0, 0), 0), NINE)
    counter.lost()
    counter.look(Sample(9000, (8, 0, 0, 0), 0), NINE)
    counter.look(Sample(9050, (10, 0, 0, 0), 0), NINE)
    (count,) = data(counter.flush(NINE))
    assert (count.in_, count.gap) == (1, True)


def test_a_read_comes_back_when_its_time_is_over() -> None:
    """Nothing happens for hours in a closed shop, and the agent can stop."""
    driver = PulseDriver(options(debounce_ms=1), Context(), Script(cts((0, 0, 0)), ends=False))
    driver.open()
    assert driver.read(0.02).items == []
    driver.close()
    driver.close()


def test_a_port_without_modem_lines_says_what_to_use() -> None:
    """A pseudo-terminal counts no edges; a port that is not there is said too."""
    master, slave = pty.openpty()
    with pytest.raises(DeviceOffline, match="counts no modem lines"):
        ModemLines(os.ttyname(slave)).open()
    os.close(master)
    os.close(slave)
    with pytest.raises(DeviceOffline, match="no such port"):
        device(options(port="/dev/no-such-port"), Context()).open()


def test_two_contacts_are_two_lines() -> None:
    """In and out on one line is a mistake that a check finds."""
    with pytest.raises(ValueError, match="two lines"):
        options(in_line="cts", out_line="cts")


def test_the_simulator_speaks_over_a_line() -> None:
    """A board on a pseudo-terminal: everybody it tells of is counted, bounces are not."""
    said = list(islice(messages(Random(3), NINE, timedelta(seconds=1)), 40))
    way = PtyWay()
    reader = cast(Driver, device(options(port=way.port, reader="text", interval_s=1, out_line="dsr"), Context()))
    reader.open()
    for message in said:
        way.say(message)
    told: list[DoorCount] = []
    deadline = time.monotonic() + 60
    while sum(count.in_ for count in told) < 39:
        assert time.monotonic() < deadline
        told += data(list(reader.read(0.2).items))
    reader.close()
    way.close()
    assert sum(count.in_ for count in told) <= 40


def test_noise_is_set_aside() -> None:
    """Lines that tell no counts are one reject up to the next that does; half a line at the end is another."""
    items = fed(decoder(options(), Context()), [b"hello\n1 2 3\n5 1 1 1 1 99\n6 1 0 0 0 1\n7 1 0 0"], NINE)
    assert [item.raw for item in items if isinstance(item, Rejected)] == [b"hello\n1 2 3\n5 1 1 1 1 99\n", b"7 1 0 0"]
