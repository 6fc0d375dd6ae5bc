"""Asking for what is missing: not at once, not for ever at the same pace, and until it is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from cloud_sync.ingest.asking import BOXES, FIRST, LONGEST, RANGES, Asking
from cloud_sync.wire.downlink import ANY_EPOCH

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BOX = ("0214", "box-1")
STREAM = b"s" * 16


def gap(first: int, last: int) -> tuple[bytes, bytes, int, int, int]:
    return STREAM, ANY_EPOCH, 1, first, last


def test_what_is_missing_for_a_moment_is_not_asked_for() -> None:
    """A gap that closes within the first pause costs nobody a re-send."""
    asking = Asking()
    assert asking.step({BOX: [gap(1, 5)]}, NOW) == {}
    assert asking.step({}, NOW + FIRST) == {}
    assert asking.step({BOX: [gap(1, 5)]}, NOW + 2 * FIRST) == {}, "missing anew, the pause begins anew"


def test_it_is_asked_for_ever_more_rarely_until_it_came() -> None:
    """Over two days a gap that nobody closes is asked for a few dozen times at most, and always once more."""
    asking, asked = Asking(), []
    for minutes in range(2 * 24 * 60):
        at = NOW + timedelta(minutes=minutes)
        if asking.step({BOX: [gap(1, 5)]}, at):
            asked.append(at)
    pauses = [after - before for before, after in pairwise(asked)]
    assert asked[0] == NOW + FIRST
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST
    assert 10 < len(asked) < 20


def test_progress_begins_anew() -> None:
    """Where part of a gap was closed the rest is asked for soon again."""
    asking = Asking()
    at = NOW
    for _ in range(600):
        at += timedelta(minutes=1)
        asking.step({BOX: [gap(1, 100)]}, at)
    assert asking.step({BOX: [gap(51, 100)]}, at) == {}
    assert asking.step({BOX: [gap(51, 100)]}, at + FIRST) == {BOX: [gap(51, 100)]}


def test_a_fleet_with_holes_is_asked_in_turns() -> None:
    """However much is missing, a step asks for a bounded part, and all boxes and ranges have their turn."""
    wanted = {
        (f"{store:04}", "box-1"): [gap(2 * n + 1, 2 * n + 1) for n in range(RANGES // 2)] for store in range(3 * BOXES)
    }
    asking, seen = Asking(), set()
    asking.step(wanted, NOW)
    for turn in range(3):
        asked = asking.step(wanted, NOW + FIRST + timedelta(seconds=turn))
        assert len(asked) == BOXES
        seen |= asked.keys()
    assert seen == wanted.keys()


def test_a_lane_with_many_holes_is_bounded() -> None:
    """One step asks for no more ranges of a box than an envelope holds."""
    asking, many = Asking(), [gap(2 * n + 1, 2 * n + 1) for n in range(5 * RANGES)]
    asking.step({BOX: many}, NOW)
    assert asking.step({BOX: many}, NOW + FIRST) == {BOX: many[:RANGES]}
