"""Two stores, a broker and HQ, for some minutes of faults and then in peace until nothing waits any more."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from random import Random
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hq.warehouse.memory import MemoryWarehouse
from simulation.world.audit import Audit
from simulation.world.faults import Faults
from simulation.world.headquarters import Clerk, Database, Worker
from simulation.world.machine import BEAT_S, Machine
from simulation.world.network import Broker, Network
from simulation.world.plan import SAFETY_S, Plan
from simulation.world.scene import Scene
from simulation.world.sealing import BoxKeys, Violation
from simulation.world.sources import Journal, Source, Tap, Till

PATIENCE_S = 1_800.0
LOOK_S = 4.0


class Result(NamedTuple):
    """What a seed came to. fault: what promise was broken, empty where none was; counts: faults and work done."""

    seed: int
    fault: str
    hash: str
    steps: int
    counts: Counter[str]


class World:
    """Everything there is. `run` plays it to its end and raises `Violation` where a promise is broken."""

    def __init__(self, plan: Plan, folder: Path, lines: list[str] | None) -> None:
        self.scene = Scene(plan, lines)
        self.network = Network(self.scene)
        self.broker = Broker(self.scene)
        self.database = Database(MemoryWarehouse({}, date(2020, 1, 1)))
        self.workers = [Worker(self.scene, self.broker, self.database) for _ in range(2)]
        self.clerk = Clerk(self.scene, self.broker, self.database)
        self.broker.on_news = self._news
        self.machines: list[Machine] = []
        self.sources: list[Source] = []
        self._folder = folder
        for number in range(plan.stores):
            self._store(f"021{number}")
        self.audit = Audit(self.scene, self.database.warehouse, self.machines, self.sources)
        self.faults = Faults(self)

    def _news(self) -> None:
        for worker in self.workers:
            worker.wake()

    def _store(self, store: str) -> None:
        secret = Random(f"{self.scene.plan.seed} {store}").randbytes(32)
        keys = BoxKeys(store, "box-1", Ed25519PrivateKey.from_private_bytes(secret))
        self.database.warehouse.boxes[store, "box-1"] = keys.public
        machine = self.machine(keys, f"box {store}")
        self.sources += [Till(self.scene, machine), Journal(self.scene, machine), Tap(self.scene, machine)]

    def machine(self, keys: BoxKeys, name: str) -> Machine:
        folder = self._folder / name.replace(" ", "-")
        made = Machine(self.scene, self.network, self.broker, keys, name, folder)
        self.machines.append(made)
        return made

    def run(self) -> None:
        agenda = self.scene.agenda
        for machine in self.machines:
            machine.start()
        self.faults.begin()
        self.clerk.look()
        while agenda.now < SAFETY_S:
            agenda.run(agenda.now + LOOK_S)
            self.audit.look()
        self.faults.end()
        until = agenda.now + PATIENCE_S
        while waiting := [*self._restless(), *self.audit.open_questions()]:
            if agenda.now > until:
                raise Violation(f"nothing waits for ever: {', '.join(waiting)}")
            agenda.run(agenda.now + LOOK_S)
            self.audit.look()
        agenda.run(agenda.now + BEAT_S + 1)
        self.audit.close()

    def _restless(self) -> list[str]:
        return [f"{machine.name} has something to send" for machine in self.machines if not machine.settled]

    def close(self) -> None:
        for machine in self.machines:
            machine.close()
