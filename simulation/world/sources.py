"""What stands in a store and brings records. A source outlives the agent and remembers what it was told.

- the till leaves a file for every sale and takes it away when it is told that the sale is kept
- the journal is a file that only grows; how far it was read is the agent's to keep
- the tap says everything once and waits for nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from decimal import Decimal
from random import Random

from edge_agent.recorder.desk import Submission
from records import Record
from records.types import DoorCount, PosSale, SaleLine, Scan, WifiPresence
from simulation.world.agenda import BEGIN
from simulation.world.machine import Machine
from simulation.world.scene import Scene

AGAIN_S = 3.0
AT_ONCE = 4
LONG = 16_384  # bytes that do not compress
Uid = tuple[str, str]  # type, what makes it the only one in the world


def uid(record: Record) -> Uid | None:
    """Which event a record is; None for those that the agent made itself."""
    match record.data:
        case PosSale(source_id=name) | Scan(code=name):
            return type(record.data).__name__, f"{record.device} {name}"
        case DoorCount(in_=number) | WifiPresence(count=number):
            return type(record.data).__name__, f"{record.device} {number}"
    return None


class Source:
    """kept: what the source was told is kept. Events come while `scene` is not calm."""

    def __init__(self, scene: Scene, machine: Machine, name: str) -> None:
        self.scene = scene
        self.machine = machine
        self.name = f"{name}-{machine.keys.store}-{machine.name}"
        self.random = Random(f"{scene.plan.seed} {self.name}")
        self.kept: set[Uid] = set()
        self._number = 0
        machine.on_start.append(self.agent_started)
        self._next()

    def _next(self) -> None:
        self.scene.agenda.later(self.random.expovariate(1 / self.scene.plan.pace_s), self._happen)

    def _happen(self) -> None:
        if not self.scene.calm:
            self.happen()
            self._next()

    def number(self) -> int:
        self._number += 1
        return self._number

    def record(self, data: PosSale | Scan | DoorCount | WifiPresence) -> Record:
        now = self.machine.clock.now()
        return Record(self.name, now.wall, data, int(now.mono * 1000), now.quality)

    def keep(self, records: Sequence[Record]) -> None:
        self.kept |= {each for record in records if (each := uid(record))}

    def happen(self) -> None:
        raise NotImplementedError

    def agent_started(self) -> None:
        raise NotImplementedError


class Till(Source):
    """Files by number, a sale and a scan in each; oldest first, a few at once, again until they are kept."""

    def __init__(self, scene: Scene, machine: Machine) -> None:
        self._folder: dict[str, list[Record]] = {}
        self._asked = False
        super().__init__(scene, machine, "till")

    def happen(self) -> None:
        self._sell(None)

    def sell_long(self) -> None:
        """A sale that needs pages of its own."""
        self._sell(self.random.randbytes(LONG).hex())

    def _sell(self, name: str | None) -> None:
        number = self.number()
        line = SaleLine(1, "sale", "4006381333931", None, name, Decimal(1), extended_amount=Decimal(number))
        sale = PosSale(f"01/{number}", str(number), business_day=BEGIN.date(), lines=(line,), total=Decimal(number))
        self._folder[sale.source_id] = [self.record(sale), self.record(Scan(code=str(number)))]
        self.offer()

    def agent_started(self) -> None:
        self._asked = False
        self.offer()

    def offer(self) -> None:
        names = list(self._folder)[:AT_ONCE]
        if not self._asked and names and self.machine.on:
            self._asked = True
            records = [record for name in names for record in self._folder[name]]
            identities = [f"{name}/{place}" for name in names for place in range(len(self._folder[name]))]
            given = Submission(self.name, records, identities, {}, waits=True)
            self.machine.submit(given, lambda said: self._said(names, said))

    def _said(self, names: Sequence[str], said: Future[None]) -> None:
        self._asked = False
        if said.exception() is None:
            self.keep([record for name in names for record in self._folder.pop(name)])
            self.machine.soon(self.offer)
        else:
            self.machine.later(AGAIN_S, self.offer)


class Journal(Source):
    """Lines by place. Read from where the agent's own state says."""

    def __init__(self, scene: Scene, machine: Machine) -> None:
        self._lines: list[Record] = []
        self._at = 0
        self._asked = False
        super().__init__(scene, machine, "journal")

    def happen(self) -> None:
        self._lines.append(self.record(Scan(code=str(self.number()))))
        self.offer()

    def agent_started(self) -> None:
        self._asked = False
        self._at = int(self.machine.state(self.name).get("at", b"0"))
        self.offer()

    def offer(self) -> None:
        lines = self._lines[self._at : self._at + AT_ONCE]
        if not self._asked and lines and self.machine.on:
            self._asked = True
            until = self._at + len(lines)
            state = {"at": str(until).encode()}
            given = Submission(self.name, lines, [None] * len(lines), state, waits=True)
            self.machine.submit(given, lambda said: self._said(until, lines, said))

    def _said(self, until: int, lines: Sequence[Record], said: Future[None]) -> None:
        self._asked = False
        if said.exception() is None:
            self._at = until
            self.keep(lines)
            self.machine.soon(self.offer)
        else:
            self.machine.later(AGAIN_S, self.offer)


class Tap(Source):
    """A door and a radio."""

    def __init__(self, scene: Scene, machine: Machine) -> None:
        super().__init__(scene, machine, "tap")

    def happen(self) -> None:
        records = [self.record(DoorCount(in_=self.number(), out=0))]
        records += [
            self.record(WifiPresence(count=self.number(), interval_s=60)) for _ in range(self.random.randrange(3))
        ]
        given = Submission(self.name, records, [None] * len(records), {})
        self.machine.submit(given, lambda said: self.keep(records) if said.exception() is None else None)

    def agent_started(self) -> None:
        """What was not taken is forgotten."""
