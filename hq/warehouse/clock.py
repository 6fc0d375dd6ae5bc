"""Repairing times of a box whose clock was wrong: beside what it told, never over it.

A `clock.step` says what the box's clock read before and after it was set. Records of the same boot that were accepted
before it, by a clock that no time source vouched for, happened as much later as the clock jumped. Several steps add up;
only those count that a vouched one follows. `at` stays what the box told and `effective` where the record lies; the
corrected time is worked out from the appended repairs whenever somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from cloud_sync.ingest.work import Batch, Opened
from records import ClockQuality
from records.types import ClockStep

BOOT = 16


class Repair(NamedTuple):
    """Of one boot, in its first 16 bytes. until_mono_ms: since boot, when the clock was set; vouched: by a source."""

    boot: bytes
    until_mono_ms: int
    behind: timedelta
    clock: ClockQuality


def repair_of(opened: Opened) -> Repair | None:
    """What a record says of the clock; None for other types, and where no boot is named."""
    step = opened.record.data
    if not isinstance(step, ClockStep):
        return None
    try:
        boot = bytes.fromhex(step.boot)
    except ValueError:
        return None
    if len(boot) != BOOT or not 0 <= opened.record.mono_ms < 2**63:
        return None
    return Repair(boot, opened.record.mono_ms, step.after - step.before, opened.record.clock)


def corrected(repairs: Sequence[Repair], mono_ms: int, clock: ClockQuality, at: datetime) -> datetime | None:
    """When it happened, of the repairs of its boot; None where nothing says more than `at`."""
    if clock is not ClockQuality.UNKNOWN:
        return None
    last = max((one.until_mono_ms for one in repairs if one.clock is not ClockQuality.UNKNOWN), default=-1)
    behind = [one.behind for one in repairs if mono_ms < one.until_mono_ms <= last]
    try:
        return at + sum(behind, timedelta()) if behind else None
    except OverflowError:
        return None


def note(cursor: psycopg.Cursor[Any], batch: Batch, seq: int, opened: Opened, received: datetime) -> None:
    """Appends what a `clock.step` says."""
    if one := repair_of(opened):
        cursor.execute(
            """INSERT INTO clock_repair
                   (store, box, boot, until_mono_ms, behind, clock, stream, epoch, lane, seq, added_at)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                *(batch.sender.store, batch.sender.box, one.boot, one.until_mono_ms, one.behind, int(one.clock)),
                *(batch.stream, batch.epoch, int(batch.lane), seq, received),
            ],
        )
