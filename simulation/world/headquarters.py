"""HQ: ingest workers around one warehouse that stops, fails and answers unsurely."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.ingest import Core
from cloud_sync.ingest.asking import Asking
from cloud_sync.ingest.core import (
    Acknowledge,
    Arrived,
    Commit,
    Committed,
    Effect,
    Event,
    Failed,
    GiveBack,
    LookUp,
    Send,
)
from cloud_sync.ingest.work import Work
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire import certificate
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Kind, Resend, Signer
from hq.complete import report, wanted
from hq.warehouse.memory import MemoryWarehouse
from hq.warehouse.standing import EPOCH
from simulation.world.agenda import Deed
from simulation.world.network import Broker
from simulation.world.scene import ROOT, Scene
from simulation.world.sealing import UnmaskingKey

PULL = 20
CLERK_S = 10.0
OPENING = UnmaskingKey(b"headquarters")
KEYS: Mapping[bytes, OpeningKey] = {OPENING.public.key_id: OPENING}
ROOT_KEY = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
_RECEIPTS = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
SIGNER = Signer(_RECEIPTS, certificate.issue(ROOT_KEY, Usage.RECEIPTS, 1, 1, _RECEIPTS.public_key()))


class Database:
    """The warehouse as workers meet it. away: it does not answer."""

    def __init__(self, warehouse: MemoryWarehouse) -> None:
        self.warehouse = warehouse
        self.away = False


class Worker:
    """One process of ingest. It crashes and comes back; the broker then delivers again what it had."""

    def __init__(self, scene: Scene, broker: Broker, database: Database) -> None:
        self._scene = scene
        self._broker = broker
        self._database = database
        self._life = 0
        self._failures = 0
        self._pulling = False
        self._core = Core(ROOT, KEYS, SIGNER)
        self._work: Work | None = None
        self.dies: str | None = None

    def wake(self) -> None:
        """There may be messages."""
        if not self._pulling:
            self._pulling = True
            self._later(self._scene.random.uniform(0.05, 0.6), self._pull)

    def crash(self, back_s: float) -> None:
        """Everything in memory is gone."""
        self._life += 1
        self._pulling = True
        self._core = Core(ROOT, KEYS, SIGNER)
        self._work = None
        self._later(back_s, self._pull)

    def _later(self, delay_s: float, deed: Deed) -> None:
        life = self._life
        self._scene.agenda.later(delay_s, lambda: deed() if self._life == life else None)

    def _ask(self, delay_s: float, deed: Deed) -> None:
        """Something of the database; once it failed nobody waits for the answers to what was asked before."""
        failures = self._failures
        self._later(delay_s, lambda: deed() if self._failures == failures else None)

    def _pull(self) -> None:
        self._pulling = False
        messages = self._broker.pull(PULL)
        if messages:
            self._step(Arrived(messages))
            self.wake()

    def _step(self, event: Event) -> None:
        if isinstance(event, Failed):
            self._failures += 1
            self._work = None
        effects = self._core.step(event, self._scene.agenda.true_time)
        self._work = next((effect.work for effect in effects if isinstance(effect, Commit)), self._work)
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case LookUp():
                self._ask(0.005, lambda: self._look_up(effect))
            case Commit():
                self._ask(self._scene.random.uniform(0.01, 0.2), lambda: self._commit(effect))
            case Send(store, box, envelope):
                self._broker.send(store, box, envelope)
            case Acknowledge(tokens):
                self._acknowledge(tokens)
            case GiveBack(tokens, delay_s):
                for token in tokens:
                    self._broker.give_back(_number(token), delay_s)

    def _acknowledge(self, tokens: tuple[object, ...]) -> None:
        for token in tokens:
            payload = self._broker.acknowledge(_number(token))
            if payload is not None:
                self._scene.books.acknowledged(self._work, sha256(payload).digest())

    def _look_up(self, effect: LookUp) -> None:
        if self._database.away:
            self._step(Failed("the database is away"))
        else:
            self._step(self._database.warehouse.look_up(effect.boxes, effect.epochs))

    def _commit(self, effect: Commit) -> None:
        """One transaction, with a crash before or after it, or an answer that does not come."""
        dies, self.dies = self.dies, None
        if dies == "before":
            self._scene.count("worker crash before commit")
            self.crash(self._scene.random.uniform(0.5, 4))
            return
        if self._database.away:
            self._step(Failed("the database is away"))
            return
        outcome = self._database.warehouse.commit(effect.work)
        self._scene.books.stored(effect.work, outcome, self._database.warehouse.claims)
        self._scene.trace.note(f"committed {outcome.stored} {outcome.duplicates} {outcome.repeated}")
        if dies == "after":
            self._scene.count("worker crash after commit")
            self.crash(self._scene.random.uniform(0.5, 4))
        elif self._scene.strikes(self._scene.plan.rates.unsure, "unsure commit"):
            self._step(Failed("nobody knows"))
        else:
            self._step(Committed(outcome))


class Clerk:
    """Looks what is missing and asks the boxes for it."""

    def __init__(self, scene: Scene, broker: Broker, database: Database) -> None:
        self._scene = scene
        self._broker = broker
        self._database = database
        self._asking = Asking()

    def look(self) -> None:
        """Now, and from now on every few seconds."""
        self._scene.agenda.later(CLERK_S, self.look)
        if self._database.away:
            return
        now, warehouse = self._scene.agenda.true_time, self._database.warehouse
        for (store, box), ranges in self._asking.step(wanted(map(report, warehouse.standings())), now).items():
            self._scene.count("asked again")
            body = Resend((now - EPOCH) // timedelta(microseconds=1), ranges)
            fingerprint = sha256(warehouse.boxes[store, box]).digest()
            self._broker.send(store, box, SIGNER.seal(Kind.RESEND, body, fingerprint))


def _number(token: object) -> int:
    if not isinstance(token, int):
        raise TypeError("a token is the number of a message")
    return token
