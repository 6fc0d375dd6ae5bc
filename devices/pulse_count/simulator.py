"""A light beam across a door, as a board tells it that looks at its line twenty times a second (`reader: text`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.pulse_count.frames import Sample
from devices.simulator import Message

_LOOK_MS = 50
_LONGEST_MS = 60_000


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:  # noqa: ARG001 - lines carry no date
    """Endless people, a `step` apart: the looks that saw each, and one before and after."""
    ms = edges = 0
    step_ms = min(max(int(step.total_seconds() * 1000), 4 * _LOOK_MS), _LONGEST_MS)
    while True:
        ms += step_ms - 2 * _LOOK_MS
        looks = [Sample(ms, (edges, 0, 0, 0), 0)]
        looks.append(Sample(ms + _LOOK_MS, (edges + rng.choice((1, 1, 1, 3)), 0, 0, 0), 1))  # some contacts bounce
        edges = looks[-1].edges[0] + 1
        looks.append(Sample(ms + 2 * _LOOK_MS, (edges, 0, 0, 0), 0))
        ms += 2 * _LOOK_MS
        yield Message("serial", b"".join(look.text() for look in looks))
