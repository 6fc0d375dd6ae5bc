"""SIGKILL at random moments while records move, and proof that they moved."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random

from simulation.processes import wait_for
from simulation.stage import Stage

MOVED = 10
MOVE_S = 60.0


@dataclass
class Chaos:
    """Kills parts of a stage in a random order. kills: what is to be killed, and how often.

    moved: for each kill, how many records were accepted (agent) or stored (HQ's parts) since the kill before
    """

    stage: Stage
    rng: Random
    kills: dict[str, int]
    moved: list[tuple[str, int]] = field(default_factory=list)

    def run(self) -> None:
        """Returns after the last kill, with everything up again."""
        order = [name for name, times in self.kills.items() for _ in range(times)]
        self.rng.shuffle(order)
        before = {True: 0, False: 0}
        for name in order:
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

    def _beyond(self, count: int, at_store: bool) -> int:
        """How many records have moved, 0 while they are fewer than `count`."""
        now = self.stage.agent.accepted() if at_store else self.stage.stored()
        return now if now >= count else 0

    def _kill(self, name: str) -> None:
        if name == "agent":
            self.stage.agent.kill()
            self.stage.agent.start()
        else:
            self.stage.hq.kill_part(name)


def in_background(chaos: Chaos) -> threading.Thread:
    """Runs it beside what else happens."""
    thread = threading.Thread(target=chaos.run, name="chaos")
    thread.start()
    return thread
