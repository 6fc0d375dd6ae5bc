"""The uplink against a lossy network and a forgetful HQ, in simulated time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.messages import (
    Connect,
    Downlink,
    Effect,
    Event,
    Fetch,
    Fetched,
    FetchHeaders,
    Headers,
    LinkDown,
    LinkUp,
    NewParcels,
    Parcel,
    Publish,
    Receipted,
    Refused,
    ResetSession,
    Tick,
)
from cloud_sync.uplink.settings import Settings
from cloud_sync.wire.downlink import Hold, Kind, Receipt, Refusal
from cloud_sync.wire.topics import Up
from tests.cloud_sync.uplink_parts import PIN, MemoryOutbox, batch, header, parcel, receipt, word

SETTINGS = Settings(parcels=6, headers=2, bytes=200_000, share=0, spread_s=5.0, ways=("wired", "wired"))
EPOCHS = 4
POISON = 5  # the number of the batch that HQ refuses


@dataclass
class Faults:
    """Probabilities, while faults last. cut_s: mean time until the link breaks by itself."""

    lost: float
    doubled: float
    refused: float
    amnesia: float
    deaf: float
    cut_s: float
    until: float


def epoch_of(payload: bytes) -> bytes:
    """The test's batches belong to an epoch by their number."""
    return (int(payload[1:7]) % EPOCHS).to_bytes(16)


@dataclass
class World:
    """One box, its disk, two brokers and HQ."""

    faults: Faults
    random: Random
    outbox: MemoryOutbox
    core: Uplink
    settings: Settings = SETTINGS
    now: float = 0.0
    agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    known: set[bytes] = field(default_factory=set)
    stored: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)
    session: int = 0
    idle: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def later(self, delay: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (self.now + delay, len(self.agenda) + self.count("events"), what))

    def count(self, what: str) -> int:
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]

    def strikes(self, probability: float, what: str) -> bool:
        hit = self.now < self.faults.until and self.random.random() < probability
        if hit:
            self.count(what)
        return hit

    # The box

    def run(self, deadline: float) -> None:
        """Until the disk is empty, faults over, or the deadline."""
        while (self.outbox.held or self.now < self.faults.until) and self.now < deadline:
            self.step()

    def step(self) -> None:
        wake = self.core.due(self.now)
        at, what = wake, lambda: self.tell(Tick())
        if self.agenda and self.agenda[0][0] <= wake:
            at, _, what = heapq.heappop(self.agenda)
        self.idle = self.idle + 1 if at <= self.now else 0
        assert self.idle < 200, "time stands still"
        self.now = max(self.now, at)
        what()

    def tell(self, event: Event) -> None:
        effects = self.core.step(event, self.now)
        if self.core.figures.most is not None:
            self.count("limits")
        for effect in effects:
            self.do(effect)
        assert self.core.figures.in_flight <= self.settings.parcels

    def do(self, effect: Effect) -> None:
        match effect:
            case Connect(session, _):
                self.session = session
                self.connect(session)
            case ResetSession():
                self.count("resets")
                self.session = 0
            case Publish(what, payload):
                sent = parcel(what, payload)
                self.carry(lambda: self.ingest(sent))
            case Fetch():
                answer = self.outbox.fetch(effect)
                self.later(self.random.uniform(0, 0.2), lambda: self.tell(answer))
            case FetchHeaders(epochs):
                found = Headers(tuple(self.outbox.headers(list(epochs))))
                self.later(self.random.uniform(0, 0.2), lambda: self.tell(found))
            case Receipted(prefixes):
                assert set(prefixes) <= self.stored
                self.settle(prefixes)
            case Refused(prefixes, _):
                self.refused |= set(prefixes)
                self.settle(prefixes)

    def settle(self, prefixes: tuple[bytes, ...]) -> None:
        self.outbox.receipted(prefixes)

    # The network

    def connect(self, session: int) -> None:
        if self.strikes(self.faults.deaf, "deaf"):
            return
        if self.strikes(self.faults.refused, "refused"):
            self.later(1.0, lambda: self.tell(LinkDown(session, "refused")))
            return
        self.later(0.1, lambda: self.tell(LinkUp(session)))
        self.later(self.random.expovariate(1 / self.faults.cut_s), lambda: self.cut(session))

    def cut(self, session: int) -> None:
        if session == self.session and self.now < self.faults.until:
            self.count("cuts")
            self.session = 0
            self.tell(LinkDown(session, "cut"))

    def carry(self, arrival: Callable[[], None]) -> None:
        """Delays differ, so messages overtake each other."""
        if self.strikes(self.faults.lost, "lost"):
            return
        self.later(self.random.uniform(0.05, 3.0), arrival)
        if self.strikes(self.faults.doubled, "doubled"):
            self.later(self.random.uniform(0.05, 30.0), arrival)

    # HQ

    def ingest(self, sent: Parcel) -> None:
        if self.strikes(self.faults.amnesia, "amnesia"):
            self.known.clear()
        if sent.what is Up.EPOCH:
            self.known.add(sent.payload[1:])
            self.accept(sent)
        elif epoch_of(sent.payload) not in self.known:
            self.count("held")
            self.answer(word(Kind.HOLD, Hold(0, epoch_of(sent.payload))))
        elif sent == batch(POISON, len(sent.payload)):
            self.answer(word(Kind.REFUSAL, Refusal(0, sent.prefix, "poison")))
        else:
            self.accept(sent)

    def accept(self, sent: Parcel) -> None:
        self.stored.add(sent.prefix)
        self.answer(receipt([sent], 0))

    def answer(self, raw: bytes) -> None:
        if self.session:
            self.carry(lambda: self.tell(Downlink(raw, 0)))


probability = st.floats(0, 0.9)
faults = st.builds(
    Faults, probability, probability, probability, st.floats(0, 0.2), st.floats(0, 0.5), st.floats(1, 2_000),
    st.floats(60, 20_000),
)  # fmt: skip


def world(faults: Faults, seed: int) -> World:
    """A disk with headers and batches, and more batches cut while faults last, of whose arrival word may get lost."""
    random = Random(seed)
    held = [header(n) for n in range(EPOCHS)] + [batch(n, random.choice([100, 2_000, 70_000])) for n in range(20)]
    made = World(faults, random, MemoryOutbox(held), Uplink(PIN, SETTINGS, Random(seed)))
    for number in range(20, 30):
        made.later(random.uniform(0, faults.until), lambda number=number: cut_one(made, number))  # type: ignore[misc]
    return made


def cut_one(made: World, number: int) -> None:
    made.outbox.add(batch(number))
    if not made.strikes(0.5, "news lost"):
        made.tell(NewParcels())


@given(faults, st.integers(0, 2**32))
def test_everything_is_receipted_once_faults_end(faults: Faults, seed: int) -> None:
    """Whatever was lost, doubled, overtaken or cut off, an hour after the last fault nothing waits for its receipt."""
    made = world(faults, seed)
    made.run(faults.until + 3_600 + 2 * SETTINGS.silence_cap_s)
    poison = {each.prefix for each in [batch(POISON, size) for size in (100, 2_000, 70_000)]}

    assert not made.outbox.held
    assert len(made.stored) == EPOCHS + 29
    assert len(made.refused) == 1
    assert made.refused < poison


def test_the_faults_do_strike() -> None:
    """The world above loses, doubles, cuts, refuses, forgets and holds, and the uplink resets sessions."""
    made = world(Faults(0.6, 0.5, 0.5, 0.1, 0.3, 200, 50_000), 8)
    made.run(60_000)
    lonely = world(Faults(1.0, 0, 0, 0, 0, 1e9, 20_000), 7)
    lonely.run(30_000)

    assert not made.outbox.held
    for what in ("lost", "doubled", "cuts", "refused", "amnesia", "deaf", "held", "news lost", "limits"):
        assert made.counts.get(what, 0) > 1, what
    assert lonely.counts["resets"] > 2
    assert not lonely.outbox.held


@given(st.integers(0, 2**32), st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_forgeries_among_true_words_change_nothing(seed: int, forgeries: list[bytes]) -> None:
    """Two equal uplinks, one of them showered with forged envelopes, do the same at every step."""
    random = Random(seed)
    plain, showered = (Uplink(PIN, SETTINGS, Random(seed)) for _ in range(2))
    truths: list[Event] = [
        Tick(),
        LinkUp(1),
        Fetched((header(1), batch(1), batch(2))),
        Downlink(word(Kind.RECEIPT, Receipt(0, batch(1).prefix)), 0),
        Fetched(()),
        LinkDown(1, "cut"),
        LinkUp(2),
        Fetched((batch(3),)),
    ]
    now = 0.0
    for truth in truths:
        now += random.uniform(0, 20)
        for raw in random.sample(forgeries, random.randint(0, len(forgeries))):
            assert plain.step(Tick(), now) == showered.step(Downlink(raw, 0), now)
        assert plain.step(truth, now) == showered.step(truth, now)
