"""Telling one box from two that speak under one name, by what their heartbeats name in turn.

A box goes from epoch to epoch and from stream to stream and never back. Where an epoch speaks again after another one
did, two machines hold the same image; where a stream speaks again in a new epoch after another stream did, an old image
was restored, or a second machine runs. Once may be a restored image; twice are two boxes. A heartbeat that only came
late is no return: it is not newer than what its epoch said before.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cloud_sync.wire.heartbeat import Heartbeat

KEPT = 12
TWO_BOXES = 2  # returns


class Run(msgspec.Struct, frozen=True):
    """Heartbeats of one epoch. first_us, last_us: the box's clock; returned: it came again after another one."""

    stream: bytes
    epoch: bytes
    first_us: int
    last_us: int
    returned: bool = False


def follow(runs: Sequence[Run], beat: Heartbeat) -> list[Run]:
    """The runs with one more heartbeat, the newest last."""
    known = next((run for run in reversed(runs) if run.epoch == beat.epoch), None)
    if known and beat.at_us <= known.last_us:
        return list(runs)
    if known and known is runs[-1]:
        return [*runs[:-1], msgspec.structs.replace(known, last_us=beat.at_us)]
    returned = _returns(runs, known, beat)
    fresh = Run(beat.stream, beat.epoch, beat.at_us, beat.at_us, returned)
    return [*runs, fresh][-KEPT:]


def _returns(runs: Sequence[Run], known: Run | None, beat: Heartbeat) -> bool:
    if known is not None:
        return beat.at_us > runs[-1].first_us
    if not runs or runs[-1].stream == beat.stream:
        return False
    return any(run.stream == beat.stream for run in runs)


def noticed(before: Sequence[Run], after: Sequence[Run]) -> str | None:
    """The rule of the alert that the last heartbeat gives rise to, if any."""
    now = sum(run.returned for run in after)
    if now <= sum(run.returned for run in before):
        return None
    return "two-boxes" if now >= TWO_BOXES else "old-image"
