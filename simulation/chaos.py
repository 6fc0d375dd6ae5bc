"""SIGKILL at random moments while records move, and proof that they moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from devices.simulator import Message
from simulation.feeds import Feed
from simulation.processes import wait_for
from simulation.stage import Stage

MOVED = 10
MOVE_S = 60.0


class Gate:
    """Lets through the same share of what each feed has to say, so that there is news until the last kill."""

    def __init__(self) -> None:
        self._share = 0.0
        self._opened = threading.Condition()

    def open(self, share: float) -> None:
        """Up to `share`, 0 to 1; it never closes."""
        with self._opened:
            self._share = max(self._share, share)
            self._opened.notify_all()

    def through(self, feed: Feed) -> Feed:
        """The feed, whose messages wait for the gate."""
        return feed._replace(messages=self._let(list(feed.messages)))

    def _let(self, messages: Sequence[Message]) -> Iterator[Message]:
        for number, message in enumerate(messages):
            with self._opened:
                while number >= self._share * len(messages):
                    self._opened.wait()
            yield message


@dataclass
class Chaos:
    """Kills parts of a stage in a random order. kills: what is to be killed, and how often.

    gate: stands before the store's feeds
    moved: for each kill, how many records were accepted (agent) or stored (HQ's parts) since the kill before
    """

    stage: Stage
    gate: Gate
    rng: Random
    kills: dict[str, int]
    moved: list[tuple[str, int]] = field(default_factory=list)

    def run(self) -> None:
        """Returns after the last kill, when everything is about to be up again."""
        order = [name for name, times in self.kills.items() for _ in range(times)]
        self.rng.shuffle(order)
        before = {True: 0, False: 0}
        for number, name in enumerate(order, 1):
            self.gate.open(number / (len(order) + 1))
            at_store = name == "agent"
            now = wait_for(
                f"{MOVED} records to move before {name} is killed",
                MOVE_S,
                lambda at_store=at_store: self._beyond(before[at_store] + MOVED, at_store),  # type: ignore[misc]
            )
            self.moved.append((name, now - before[at_store]))
            before[at_store] = now
            time.sleep(self.rng.uniform(0, 0.3))
            self._kill(name)
        self.gate.open(1.0)

    def _beyond(self, count: int, at_store: bool) -> int:
        """How many records have moved, 0 while they are fewer than `count`."""
        now = self.stage.store.agent.accepted() if at_store else self.stage.stored()
        return now if now >= count else 0

    def _kill(self, name: str) -> None:
        if name == "agent":
            self.stage.store.agent.kill()
            self.stage.store.agent.start()
        else:
            self.stage.hq.kill_part(name)
