"""The product's parts around a machine's recorder and uplink, as the world needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync.wire.heartbeat import Heartbeat
from cloud_sync.wire.topics import Up
from edge_agent.linking import Obedience
from edge_agent.pulse import Pulse
from simulation.world.keeper import NearDesk
from simulation.world.network import Broker, Line, Network
from simulation.world.scene import Scene

if TYPE_CHECKING:
    from simulation.world.machine import Machine


class WorldDesk(NearDesk):
    """A desk that shows the books what HQ said."""

    def __init__(self, scene: Scene, machine: Machine) -> None:
        super().__init__(machine.wake)
        self._books = scene.books
        self._machine = machine

    def receipted(self, prefixes: tuple[bytes, ...]) -> None:
        self._books.receipted(prefixes)
        super().receipted(prefixes)

    def refused(self, prefixes: tuple[bytes, ...], why: str) -> None:
        self._books.refused(self._machine.shelf, prefixes)
        super().refused(prefixes, why)


class WorldLine(Line):
    """A line that shows the books what is sent."""

    def __init__(self, scene: Scene, network: Network, broker: Broker, machine: Machine) -> None:
        super().__init__(scene, network, broker, (machine.keys.store, machine.keys.box), machine)
        self._books = scene.books
        self._machine = machine

    def publish(self, what: Up, payload: bytes) -> None:
        if what is Up.BATCH:
            self._books.published(self._machine.shelf, payload)
        super().publish(what, payload)


class WorldObedience(Obedience):
    """What the agent does on HQ's word, at the world's time."""

    def __init__(self, machine: Machine, desk: NearDesk) -> None:
        names, key = (machine.keys.store, machine.keys.box), machine.keys.key
        super().__init__(names, key, desk, machine.hear, machine.restart, lambda _: None, lambda _: None)
        self._clock = machine.clock  # type: ignore[assignment]  # of which it asks only `wall_us`


class WorldPulse(Pulse):
    """Heartbeats without what only this computer's own disk and memory could say."""

    def _filled(self, said: Heartbeat, status: object) -> Heartbeat:  # noqa: ARG002
        return said
