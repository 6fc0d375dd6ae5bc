"""What every part of the world shares: time, chance, the plan, the trace, the books."""

from __future__ import annotations

from collections import Counter
from random import Random

from simulation.world.agenda import Agenda, Trace
from simulation.world.books import Books
from simulation.world.plan import Plan
from simulation.world.sealing import Watch

ROOT = "se"


class Scene:
    """counts: what befell the world, by name; calm: faults are over."""

    def __init__(self, plan: Plan, lines: list[str] | None) -> None:
        self.plan = plan
        self.random = Random(plan.seed)
        self.agenda = Agenda()
        self.trace = Trace(self.agenda, lines)
        self.watch = Watch()
        self.books = Books(self.watch)
        self.counts: Counter[str] = Counter()
        self.calm = False

    def count(self, what: str) -> None:
        self.counts[what] += 1
        self.trace.note(what)

    def strikes(self, rate: float, what: str) -> bool:
        """Whether a fault that comes at that rate comes now."""
        hit = not self.calm and self.random.random() < rate
        if hit:
            self.count(what)
        return hit
