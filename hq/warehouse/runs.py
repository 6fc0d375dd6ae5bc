"""Telling one box from two that speak under one name, by what their heartbeats name in turn.

A box goes from epoch to epoch and from stream to stream and never back. Where an epoch speaks again after another one
did, two machines hold the same image; where a stream speaks again in a new epoch after another stream did, an old image
was restored, or a second machine runs. Once may be a restored image; twice are two boxes. A heartbeat that only came
late is no return: it is not newer than what its epoch said before.

By the same rule a heartbeat counts as the last of its box. Session numbers order heartbeats within an epoch alone: they
rise over restarts by what the box remembers and by its clock, so a box whose disk is new or old, and whose clock is
behind, begins again below what it once said.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cloud_sync.wire.heartbeat import Heartbeat

KEPT = 12
TWO_BOXES = 2  # returns


class Run(msgspec.Struct, frozen=True):
    """Heartbeats of one epoch. first_us: of the first, by the box's clock; session, seq: of the last

    returned: it came again after another one
    """

    stream: bytes
    epoch: bytes
    first_us: int
    session: int = 0
    seq: int = 0
    returned: bool = False


def follow(runs: Sequence[Run], beat: Heartbeat) -> list[Run]:
    """The runs with one more heartbeat, the newest last; as they were when it came late."""
    known = next((run for run in reversed(runs) if run.epoch == beat.epoch), None)
    if known and _late(beat, known, runs[-1]):
        return list(runs)
    if known and known is runs[-1]:
        return [*runs[:-1], msgspec.structs.replace(known, session=beat.session, seq=beat.seq)]
    returned = _returns(runs, known, beat)
    fresh = Run(beat.stream, beat.epoch, beat.at_us, beat.session, beat.seq, returned)
    return [*runs, fresh][-KEPT:]


def _late(beat: Heartbeat, known: Run, last: Run) -> bool:
    """Whether its epoch said more before, or another epoch did in the same session."""
    said = (beat.session, beat.seq)
    return said <= (known.session, known.seq) or (beat.session == last.session and beat.seq < last.seq)


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
