"""One mini-PC: the product's recorder and uplink on a disk, a clock and a line that misbehave."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.hearing import Pin
from cloud_sync.uplink.inbox import Inbox
from cloud_sync.uplink.messages import Event, LinkUp, NewParcels, Say, Tick
from cloud_sync.uplink.run import Loop
from cloud_sync.uplink.settings import Settings
from edge_agent.buffer import BufferError, Transaction
from edge_agent.buffer.space import Limits
from edge_agent.linking import LOWEST
from edge_agent.pulse import Self
from edge_agent.recorder.admission import FACT as REFUSED
from edge_agent.recorder.core import CLOSING_S, Policy, Recorder
from edge_agent.recorder.cutting import Piece, cut
from edge_agent.recorder.desk import Submission
from edge_agent.recorder.messages import CutDone, Remember
from edge_agent.recorder.opening import Opened, open_buffer
from simulation.world.agenda import Deed
from simulation.world.books import Accepted, Shelf
from simulation.world.clock import BoxClock
from simulation.world.disk import Crash, Disk, Image, WorldBuffer
from simulation.world.headquarters import OPENING, ROOT_KEY
from simulation.world.keeper import Keeper
from simulation.world.network import Broker, Network
from simulation.world.parts import WorldDesk, WorldLine, WorldObedience, WorldPulse
from simulation.world.scene import Scene
from simulation.world.sealing import BoxKeys, WorldSeal

SETTINGS = Settings(
    spread_s=2.0,
    resend_s=3.0,
    resend_cap_s=12.0,
    hush_s=10.0,
    silence_s=20.0,
    silence_cap_s=40.0,
    connect_s=5.0,
    poll_s=5.0,
)
LIMITS = Limits(budget=1 << 40, floor=0, reserve=0)
TICK_S = 5.0
BEAT_S = 8.0
GATHER_S = 0.02  # in which jobs come together for one turn
LATER_S = 0.01  # than the recorder lets a live record wait
GRAIN_S = 1e-6  # what is due is past when it is looked at, though binary fractions round
SESSION = "session"


@dataclass
class Life:
    """What one start of the agent made."""

    keeper: Keeper
    uplink: Uplink
    loop: Loop
    pulse: WorldPulse


class Machine:
    """on: the agent runs."""

    def __init__(self, scene: Scene, network: Network, broker: Broker, keys: BoxKeys, name: str, folder: Path) -> None:
        self.scene = scene
        self.keys = keys
        self.name = name
        self.random = Random(f"{scene.plan.seed} {name}")
        self.disk = Disk(folder, scene.plan.capacity, self.random)
        self.disk.on_durable = self._durable
        self.disk.on_strike = lambda strike: scene.count(strike.value)
        self.shelf = Shelf()
        self.clock = BoxClock(scene.agenda, self.random.uniform(-5, 5))
        self.on = False
        self.removed = False
        self.on_start: list[Callable[[], None]] = []
        self._life_number = 0
        self._life: Life | None = None
        self._keeper: Keeper | None = None
        self._busy = False
        self._awake = False
        self._backlog: list[Event] = []
        self._tick_at = float("inf")
        self._epochs: dict[bytes, float | None] = {}
        self._opened = self._rested = 0.0
        self.line = WorldLine(scene, network, broker, self)
        self._zstd = Zstd()

    # --- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self.on or self.removed:
            return
        self.on = True
        self._life_number += 1
        self.guarded(self._start)()

    def _start(self) -> None:
        self.scene.trace.note(f"{self.name} starts")
        self._epochs = {}
        seal = WorldSeal(self.keys, OPENING.public, self.random, self.scene.watch, self._epoch_opened)
        opened = open_buffer(self.disk.folder, self.keys.store, self.keys.box, seal, self.clock.now().wall)
        plan = self.scene.plan
        policy = Policy(epoch_s=plan.epoch_s, full=plan.full, linger_s=plan.linger_s)
        core = Recorder(opened.identity, opened.view, seal, policy)
        desk = WorldDesk(self.scene, self)
        buffer = WorldBuffer(opened.buffer, self.disk)
        keeper = self._keeper = Keeper(buffer, core, desk, self.clock, seal, LIMITS, self._rest, self._cut)
        keeper.start(opened.reason, opened.gaps)
        self._life = self._linked(opened, keeper, desk, seal)
        desk.on_cut = lambda: self.soon(lambda: self.hear(NewParcels()))
        self._tick_at = float("inf")
        self.hear(Tick())
        self._turn_again()
        self.soon(self._beat)
        for started in self.on_start:
            started()

    def _linked(self, opened: Opened, keeper: Keeper, desk: WorldDesk, seal: WorldSeal) -> Life:
        """The recorder's uplink and heartbeats."""
        keys, clock, facts = self.keys, self.clock, opened.view.facts
        pin = Pin(ROOT_KEY.public_key(), keys.fingerprint, facts.get(LOWEST, 0))
        uplink = Uplink(pin, SETTINGS, Random(self.random.random()))
        loop = Loop(uplink, Inbox(), self.line, desk, WorldObedience(self, desk), clock)
        session = max(facts.get(SESSION, 0), clock.wall_us() // 1_000_000)
        me = Self(keys.store, keys.box, seal.boot, keys.key, self.disk.folder, "", int(BEAT_S), clock.now())
        pulse = WorldPulse(me, clock, [], keeper.status, lambda: uplink.figures, session)
        return Life(keeper, uplink, loop, pulse)

    def guarded(self, deed: Deed) -> Deed:
        """The deed as this life's own: not done in another, and ended by what ends the process."""
        life = self._life_number

        def run() -> None:
            if self._life_number != life:
                return
            try:
                deed()
            except (Crash, BufferError):
                if self._life_number == life:
                    self.crash(power=False)

        return run

    def soon(self, deed: Deed) -> None:
        self.later(0.001, deed)

    def later(self, delay_s: float, deed: Deed) -> None:
        self.scene.agenda.later(delay_s, self.guarded(deed))

    def crash(self, *, power: bool) -> None:
        """The process is gone, with the power or without; it comes back by itself."""
        if not self.on:
            return
        self.scene.trace.note(f"{self.name} crashes")
        self._life_number += 1
        self.on = self._busy = self._awake = False
        self._life = None
        self._backlog.clear()
        self.line.close()
        if self._keeper is not None:
            image = self.disk.image()
            self._keeper.buffer.close()
            self.disk.put(image)
            self._keeper = None
        if power:
            self.clock.boot()
        self.scene.agenda.later(self.random.uniform(0.3, 5), self.start)

    def restart(self) -> None:
        """The agent itself wants to begin anew."""
        self.scene.count("restart wanted")
        self.crash(power=False)

    def image(self) -> tuple[Image, Shelf]:
        """What could be put back later."""
        return self.disk.image(), self.shelf.copy()

    def put(self, image: tuple[Image, Shelf]) -> None:
        """The disk gets the content of an image; the box must be off."""
        self.disk.put(image[0])
        self.shelf = image[1].copy()

    def remove(self) -> None:
        """Switched off for good, its disk thrown away."""
        self.removed = True
        self.crash(power=True)
        self.shelf = Shelf()

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.buffer.close()

    def space(self, *, full: bool) -> None:
        """Whether the disk takes anything more."""
        self.disk.full = full
        buffer = self._keeper.buffer if self._keeper else None
        if isinstance(buffer, WorldBuffer):
            (buffer.fill if full else buffer.empty)()

    # --- the recorder ----------------------------------------------------------------------------------------------

    def submit(self, submission: Submission, done: Callable[[Future[None]], None]) -> None:
        if self._keeper is not None:
            self._keeper.desk.submit(submission).add_done_callback(done)
            self.wake()

    def state(self, device: str) -> dict[str, bytes]:
        return self._keeper.buffer.state(device) if self._keeper else {}

    @property
    def refused(self) -> int:
        """Records that it did not take and has not told of yet."""
        facts = self._keeper.buffer.view().facts if self._keeper else {}
        return sum(count for name, count in facts.items() if name.startswith(REFUSED))

    def wake(self) -> None:
        if not self._awake and self.on:
            self._awake = True
            self.later(GATHER_S, self._turn)

    def _turn(self) -> None:
        self._awake = False
        if self._busy or self._keeper is None:
            return
        idle = self._keeper.desk.jobs.empty()
        self._keeper.turn()
        if not idle and self._keeper.core.uncut:
            self.later(self.scene.plan.linger_s + LATER_S, self.wake)

    def _turn_again(self) -> None:
        self.wake()
        self.later(TICK_S, self._turn_again)

    def _rest(self, seconds: float) -> None:
        """The recorder waits, and nothing that needs it goes on; the rest of the world does."""
        life = self._life_number
        self._busy = True
        self.scene.agenda.run(self.scene.agenda.now + seconds)
        if self._life_number != life:
            raise Crash
        self._busy, self._rested = False, self.clock.monotonic()
        self.soon(self._catch_up)

    def _catch_up(self) -> None:
        events, self._backlog = self._backlog, []
        for event in events:
            self.hear(event)
        self.wake()

    def _cut(self, piece: Piece) -> None:
        keeper = self._keeper
        if keeper is not None:
            batch = cut(piece, self._zstd, self.random.randbytes, self.clock.now())
            self.later(self.random.uniform(0.001, 0.5), lambda: keeper.desk.tell(CutDone(batch, piece.stream)))

    def _epoch_opened(self, epoch: bytes) -> None:
        self._epochs = {old: until or self.clock.monotonic() + CLOSING_S for old, until in self._epochs.items()}
        self._epochs[epoch] = None
        self._opened = self.clock.monotonic()

    def _durable(self, change: Transaction) -> None:
        core = self._keeper.core if self._keeper else None
        if core is None:
            return
        held = [epoch for epoch, until in self._epochs.items() if until is None or self.clock.monotonic() < until]
        stream = core.identity.stream
        by = Accepted(self.scene.agenda.now, self.name, stream)
        self.scene.books.durable(self.shelf, stream, change, by, held)

    # --- the uplink ------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Whatever happens to the uplink; kept while the recorder cannot answer it."""
        if self._life is None:
            return
        if self._busy:
            self._backlog.append(event)
            return
        self.guarded(lambda: self._hear(event))()

    def _hear(self, event: Event) -> None:
        if (life := self._life) is None:
            return
        life.loop.pump(event)
        if isinstance(event, LinkUp):
            life.pulse.will()
            life.keeper.desk.tell(Remember(SESSION, life.pulse.session))
        self._plan_tick(life)

    def _plan_tick(self, life: Life) -> None:
        due = life.uplink.due(self.clock.monotonic())
        if due < self._tick_at:
            self._tick_at = due
            self.later(max(0.0, due - self.clock.monotonic()) + GRAIN_S, self._tick)

    def _tick(self) -> None:
        """Due, or planned for an earlier moment than it is due by now."""
        self._tick_at = float("inf")
        if (life := self._life) is None:
            return
        if life.uplink.due(self.clock.monotonic()) <= self.clock.monotonic():
            self.hear(Tick())
        else:
            self._plan_tick(life)

    def _beat(self) -> None:
        self.later(BEAT_S, self._beat)
        if self._life is not None and not self._busy:
            self.hear(Say(self._life.pulse.beat(full=False)))

    # --- rest --------------------------------------------------------------------------------------------------------

    @property
    def uncut(self) -> bool:
        """Whether rows wait in the journal."""
        return self._keeper is not None and self._keeper.core.uncut

    @property
    def epoch_late_s(self) -> float:
        """How long the newest epoch has outlived its time; while the disk takes nothing, no other can begin."""
        if self._busy or not self._epochs:
            return 0.0
        return self.clock.monotonic() - max(self._opened + self.scene.plan.epoch_s, self._rested)

    @property
    def settled(self) -> bool:
        """Whether nothing waits: every row cut, every batch and header receipted, but perhaps the newest header."""
        if self.removed:
            return True
        if self._keeper is None or self._life is None or self._busy:
            return False
        buffer = self._keeper.buffer
        waiting = buffer.outbox.parcels(frozenset(), 2)
        newest = buffer.outbox.headers([self._keeper.core.epoch])
        return not self._keeper.core.uncut and all(parcel in newest for parcel in waiting)
