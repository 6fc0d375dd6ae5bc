"""The sudden faults of a plan, each at its moment; and their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from records import ClockQuality
from simulation.world.disk import Strike
from simulation.world.machine import Machine
from simulation.world.plan import SAFETY_S
from simulation.world.sources import Tap, Till

if TYPE_CHECKING:
    from simulation.world.world import World

CLONE_AT = 0.4
LOOK_S, TRIES = 0.1, 40
YEAR_S = 365.25 * 86_400


class Faults:
    """The first store is the unlucky one: its box is restored and cloned. The others keep what they have."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._scene = world.scene
        self._random = world.scene.random

    def begin(self) -> None:
        kinds = {
            "power cut": lambda: self._crash(power=True),
            "agent crash": self._agent_crash,
            "worker crash": self._worker_crash,
            "link cut": self._cut,
            "partition": self._partition,
            "clock jump": self._jump,
            "full disk": self._full,
            "broker restart": self._broker,
            "database stop": self._database,
            "image restore": lambda: self._once_uncut(self._world.machines[0], self._image, TRIES),
            "commit error": self._commit_error,
        }
        for kind, times in self._scene.plan.strikes.items():
            for _ in range(times):
                at = self._random.uniform(0.02, 0.4 if kind == "image restore" else 0.9) * SAFETY_S
                self._scene.agenda.later(at, lambda kind=kind: self._strike(kind, kinds[kind]))  # type: ignore[misc]
        if self._scene.plan.clone:
            first = self._world.machines[0]
            self._scene.agenda.later(CLONE_AT * SAFETY_S, lambda: self._once_uncut(first, self._clone, TRIES))

    def _strike(self, kind: str, deed: Callable[[], None]) -> None:
        self._scene.count(kind)
        deed()

    def end(self) -> None:
        """Everything works again; clocks are right, and machines that are off come back by themselves."""
        self._scene.calm = True
        self._world.network.partitioned.clear()
        self._world.broker.up = True
        self._world.database.away = False
        for machine in self._world.machines:
            machine.space(full=False)
            machine.disk.strike = None
            machine.clock.skew, machine.clock.quality = 0.5, ClockQuality.SYNCED

    def _machine(self) -> Machine:
        machines = [machine for machine in self._world.machines if not machine.removed]
        return self._random.choice([machine for machine in machines if machine.on] or machines)

    def _once_uncut(self, machine: Machine, deed: Callable[[], None], tries: int) -> None:
        """At a moment when rows wait in the journal, if there is one soon: what an image then holds is packed anew."""
        if machine.uncut or not tries:
            deed()
        else:
            self._scene.agenda.later(LOOK_S, lambda: self._once_uncut(machine, deed, tries - 1))

    def _later(self, low: float, high: float, deed: Callable[[], None]) -> None:
        self._scene.agenda.later(self._random.uniform(low, high), deed)

    def _crash(self, *, power: bool) -> None:
        self._machine().crash(power=power)

    def _agent_crash(self) -> None:
        """Around the next commit."""
        strikes = [Strike.CRASH_BEFORE, Strike.CRASH_AFTER, Strike.TORN]
        self._machine().disk.strike = self._random.choice(strikes)

    def _commit_error(self) -> None:
        self._machine().disk.strike = self._random.choice([Strike.ERROR_BEFORE, Strike.ERROR_AFTER])

    def _worker_crash(self) -> None:
        worker = self._random.choice(self._world.workers)
        if self._random.random() < 0.3:
            worker.crash(self._random.uniform(1, 10))
        else:
            worker.dies = self._random.choice(["before", "after"])

    def _cut(self) -> None:
        self._machine().line.cut("cut")

    def _partition(self) -> None:
        """Nothing passes; the session looks alive for a while."""
        machine = self._machine()
        store = machine.keys.store
        self._world.network.partitioned.add(store)
        self._later(2, 10, lambda: machine.line.cut("no answer"))
        self._later(3, 25, lambda: self._world.network.partitioned.discard(store))

    def _jump(self) -> None:
        """The wall clock steps, by seconds or by years, and perhaps knows that it is not right."""
        machine, random = self._machine(), self._random
        machine.clock.skew += random.choice([1, -1]) * random.choice([7, 3_700, 10 * YEAR_S])
        machine.clock.quality = random.choice([ClockQuality.SYNCED, ClockQuality.UNKNOWN])

    def _full(self) -> None:
        """Small commits find room in the pages that there are; a long sale does not."""
        machine = self._machine()
        machine.space(full=True)
        for source in self._world.sources:
            if isinstance(source, Till) and source.machine is machine:
                source.sell_long()
        self._later(1, 12, lambda: machine.space(full=False))

    def _broker(self) -> None:
        self._world.broker.stop()

        def again() -> None:
            self._world.broker.up = True

        self._later(0.5, 10, again)

    def _database(self) -> None:
        self._world.database.away = True

        def again() -> None:
            self._world.database.away = False

        self._later(1, 12, again)

    def _image(self) -> None:
        """An image is taken now, and some time later the box comes back with it."""
        machine = self._world.machines[0]
        image = machine.image()

        def back() -> None:
            if not self._scene.calm:
                machine.crash(power=True)
                machine.put(image)
                self._scene.count("image restored")

        self._later(1, 10, back)

    def _clone(self) -> None:
        """A second machine with the first one's disk and identity; where it is not turned off, both go on."""
        first = self._world.machines[0]
        twin = self._world.machine(first.keys, f"twin {first.keys.store}")
        image = first.image()
        twin.put(image)
        self._world.sources.append(Tap(self._scene, twin))
        twin.start()
        self._scene.count("clone")
        if self._random.random() < 0.5:
            self._later(5, SAFETY_S * 0.4, twin.remove)
