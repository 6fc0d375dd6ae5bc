"""What a counting camera answers when it is asked for its summary, on a day of a shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from devices.simulator import Message


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless answers, a `step` apart (a second at least); `Today` begins again each midnight of `at`'s zone."""
    step = max(step, timedelta(seconds=1))
    total, today = [1203, 1187], [0, 0]
    while True:
        yield Message("serve", summary(at, (total[0], total[1]), (today[0], today[1])), content_type="text/plain")
        day, at = at.date(), at + step
        if at.date() != day:
            today = [0, 0]
        for side in (0, 1):
            people = min(rng.randrange(6), rng.randrange(6))
            total[side] += people
            today[side] += people


def summary(at: datetime, total: tuple[int, int], today: tuple[int, int]) -> bytes:
    """The answer to getSummary; totals as (in, out)."""
    lines = ["summary.Channel=0"]
    for side, place in (("Entered", 0), ("Exited", 1)):
        lines += [f"summary.{side}Subtotal.Today={today[place]}", f"summary.{side}Subtotal.Total={total[place]}"]
    lines += ["summary.RuleName=NumberStat", f"summary.UTC={int(at.timestamp())}"]
    return "".join(f"{line}\r\n" for line in lines).encode()
