"""The network and the broker: a message may be lost, doubled, delayed, changed; a session cut, taken over or deaf.

The broker keeps what it has in memory: a restart forgets it all. A worker's message comes again when it is given back
or not acknowledged in time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from cloud_sync.ingest.judge import Message
from cloud_sync.uplink.messages import Carried, Downlink, Event, LinkDown, LinkUp
from cloud_sync.wire.topics import Address, Up
from simulation.world.clock import BoxClock
from simulation.world.scene import ROOT, Scene

ACK_WAIT_S = 5.0
Name = tuple[str, str]  # store, box


class Ear(Protocol):
    """Who is at the near end of a line."""

    clock: BoxClock

    def hear(self, event: Event) -> None: ...


class Network:
    """Carries bytes between one store and the broker. partitioned: the stores that nothing reaches now."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.partitioned: set[str] = set()

    def carry(self, store: str, payload: bytes, arrive: Callable[[bytes], None]) -> None:
        """Delays differ, so messages overtake each other."""
        scene, rates = self._scene, self._scene.plan.rates
        if store in self.partitioned:
            scene.count("partitioned")
            return
        if scene.strikes(rates.lost, "lost"):
            return
        delay = scene.random.uniform(0.02, 0.4)
        if scene.strikes(rates.delayed, "delayed"):
            delay += scene.random.expovariate(1 / 6)
        scene.agenda.later(delay, lambda: arrive(payload))
        if scene.strikes(rates.doubled, "doubled"):
            scene.agenda.later(delay + scene.random.expovariate(1 / 6), lambda: arrive(payload))
        if scene.strikes(rates.changed, "changed"):
            forged = self._changed(payload)
            scene.agenda.later(scene.random.uniform(0, 2 * delay), lambda: arrive(forged))

    def _changed(self, payload: bytes) -> bytes:
        """One bit other, mostly beyond the clear header."""
        random = self._scene.random
        at = random.randrange(len(payload) // 2 if random.random() < 0.8 else 0, len(payload))
        return payload[:at] + bytes([payload[at] ^ (1 << random.randrange(8))]) + payload[at + 1 :]


class Line:
    """The `Link` port of one machine."""

    def __init__(self, scene: Scene, network: Network, broker: Broker, name: Name, ear: Ear) -> None:
        self._scene = scene
        self._network = network
        self._broker = broker
        self._ear = ear
        self.name = name
        self.session = 0
        self.up = False

    def connect(self, session: int, way: int) -> None:  # noqa: ARG002 (there is one)
        self.close()
        self.session = session
        if self._scene.strikes(self._scene.plan.rates.deaf, "deaf") or self.name[0] in self._network.partitioned:
            return
        delay = self._scene.random.uniform(0.05, 0.5)
        self._scene.agenda.later(delay, lambda: self._answered(session))

    def _answered(self, session: int) -> None:
        if session != self.session or self.up:
            return
        if not self._broker.up:
            self._ear.hear(LinkDown(session, "refused"))
            return
        self.up = True
        self._broker.enter(self)
        self._ear.hear(LinkUp(session))

    def publish(self, what: Up, payload: bytes) -> None:
        """Lost where the session is gone."""
        if self.up:
            topic = Address(ROOT, *self.name).up(what)
            self._network.carry(self.name[0], payload, lambda raw: self._broker.receive(topic, raw))

    def carried(self) -> Carried | None:
        return None  # nothing is metered here

    def close(self) -> None:
        self.session, self.up = 0, False
        self._broker.leave(self)

    def cut(self, why: str) -> None:
        """The session ends without the box's doing."""
        if self.up:
            session = self.session
            self.close()
            self._ear.hear(LinkDown(session, why))

    def bring(self, envelope: bytes) -> None:
        """Something for this box, on the session of now."""
        session = self.session

        def arrive(raw: bytes) -> None:
            if self.up and self.session == session:
                self._ear.hear(Downlink(raw, self._ear.clock.wall_us()))

        self._network.carry(self.name[0], envelope, arrive)


class Broker:
    """Sessions by client id, and the stream from which workers pull."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.up = True
        self._lines: dict[Name, Line] = {}
        self._held: dict[int, tuple[str, bytes]] = {}
        self._ready: deque[int] = deque()
        self._out: dict[int, int] = {}
        self._numbers = 0
        self.on_news: Callable[[], None] = lambda: None

    def enter(self, line: Line) -> None:
        """A client id has one session: an earlier one ends."""
        other = self._lines.get(line.name)
        self._lines[line.name] = line
        if other is not None and other is not line:
            self._scene.count("taken over")
            other.cut("taken over")

    def leave(self, line: Line) -> None:
        if self._lines.get(line.name) is line:
            del self._lines[line.name]

    def line(self, name: Name) -> Line | None:
        return self._lines.get(name)

    def receive(self, topic: str, payload: bytes) -> None:
        if self.up:
            self._numbers += 1
            self._held[self._numbers] = (topic, payload)
            self._ready.append(self._numbers)
            self.on_news()

    def send(self, store: str, box: str, envelope: bytes) -> None:
        line = self._lines.get((store, box)) if self.up else None
        if line:
            line.bring(envelope)

    # --- for workers -------------------------------------------------------------------------------------------------

    def pull(self, limit: int) -> tuple[Message, ...]:
        """What nobody has under way; the token is the number of the message."""
        taken: list[Message] = []
        while self._ready and len(taken) < limit:
            number = self._ready.popleft()
            if number in self._held and number not in self._out:
                taken.append(Message(*self._held[number], number))
                self._hand_out(number)
        return tuple(taken)

    def _hand_out(self, number: int) -> None:
        self._numbers += 1
        delivery = self._out[number] = self._numbers
        self._scene.agenda.later(ACK_WAIT_S, lambda: self._again(number, delivery))

    def acknowledge(self, number: int) -> bytes | None:
        """Forgets it; its payload, None when it was forgotten before."""
        self._out.pop(number, None)
        held = self._held.pop(number, None)
        return held[1] if held else None

    def give_back(self, number: int, delay_s: float) -> None:
        delivery = self._out.get(number, 0)
        self._scene.agenda.later(delay_s, lambda: self._again(number, delivery))

    def _again(self, number: int, delivery: int) -> None:
        if number in self._held and self._out.get(number) == delivery:
            del self._out[number]
            self._ready.append(number)
            self.on_news()

    def stop(self) -> None:
        """Everything it held is gone, and every session."""
        self.up = False
        self._held.clear()
        self._ready.clear()
        self._out.clear()
        for line in list(self._lines.values()):
            line.cut("the broker went away")
