"""What the buffer holds, for the heartbeat."""

from __future__ import annotations

from typing import NamedTuple

from edge_agent.buffer import Buffer
from edge_agent.buffer.outbox import Waiting
from edge_agent.buffer.space import Limits
from edge_agent.clock import Now
from edge_agent.recorder.core import Recorder
from edge_agent.recorder.epochs import microseconds
from records import Lane


class Status(NamedTuple):
    """accepted, cut: the highest numbers of each lane; hours_left: at the present rate, until something unsent must go;
    None where nothing was cut lately"""

    stream: bytes
    epoch: bytes
    accepted: dict[Lane, int]
    cut: dict[Lane, int]
    waiting: dict[Lane, Waiting]
    bytes: int
    hours_left: int | None


def look(recorder: Recorder, buffer: Buffer, limits: Limits, now: Now) -> Status:
    """Asked in the recorder's turn."""
    waiting = {lane: buffer.outbox.waiting(lane) for lane in Lane}
    unsent = sum(of_lane.bytes for of_lane in waiting.values())
    return Status(
        recorder.identity.stream,
        recorder.epoch,
        dict(recorder.accepted),
        {lane: recorder.cut[lane] - 1 for lane in Lane},
        waiting,
        buffer.space.on_disk(),
        _hours_left(buffer, limits, unsent, now),
    )


def _hours_left(buffer: Buffer, limits: Limits, unsent: int, now: Now) -> int | None:
    """What is not unsent is grace, but for little, and may go."""
    rate = buffer.inspection.rate(microseconds(now.wall))
    room = buffer.space.room(limits).normal + max(0, buffer.space.used() - unsent)
    return int(max(0, room) / rate / 3600) if rate else None
