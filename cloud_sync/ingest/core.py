"""Ingest as a state machine: `step(event, now)` gives effects. It does no I/O and reads no clock.

- Nothing is acknowledged to the broker and nothing receipted before the transaction that holds it has committed.
- One look-up and one transaction are under way at a time; what comes meanwhile waits and goes into the next, epoch
  headers alone and before all else, since other workers may wait for them.
- When the warehouse is away everything goes back to the broker, to come again after a delay that doubles. When it is
  slow, or back, boxes are told a pace (`pressure`); nothing is dropped for it.
- What nothing can be done with (an unknown box, a later release's topic) is acknowledged and counted: the store sends
  again what has no receipt, so dropping it loses nothing, and it cannot stand in anybody's way.
- A batch whose epoch nobody knows goes back to the broker for a moment, since another worker may be about to commit the
  header; only then is the box asked for it.
- Dead letters are bounded for each box and hour; beyond that they are dropped unanswered, to come again later.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloud_sync.ingest.judge import UNKNOWN, HoldEpoch, Ignored, Judge, Message, Source, Verdict, epoch_of
from cloud_sync.ingest.pressure import Pressure
from cloud_sync.ingest.work import Batch, BoxName, Header, Known, Letter, Outcome, Part, Sender, Work
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire.downlink import DIGEST, Hold, Kind, Pace, Receipt, Refusal, Signer, at_us
from cloud_sync.wire.downlink import Message as Body
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import Up, parse_up

# Records of one transaction: with fewer its own cost shows, with more of them nothing of a draining store's window
# would be on its way or be opened meanwhile.
ENOUGH = 8_000
ENOUGH_MESSAGES = 500
MAX_EPOCHS = 20_000  # open at once; the oldest are looked up again when they come
BOX_KNOWN = timedelta(seconds=30)  # how long a revoked key may still be believed
HOLD_EVERY = timedelta(seconds=10)
PATIENCE = timedelta(seconds=2)  # with an epoch that nobody knows, before its box is asked
LOOK_AGAIN_S = 0.1
LETTERS_PER_HOUR = 100
MAX_DELAY_S = 30.0
_DIGESTS_PER_ENVELOPE = 2_000


class Arrived(NamedTuple):
    """From the broker."""

    messages: tuple[Message, ...]


class Committed(NamedTuple):
    """The transaction is durable."""

    outcome: Outcome


class Failed(NamedTuple):
    """The look-up or transaction under way did not happen, or nobody knows whether it did."""

    error: str


class LookUp(NamedTuple):
    """Answered by Known or Failed."""

    boxes: frozenset[BoxName]
    epochs: frozenset[bytes]


class Commit(NamedTuple):
    """Answered by Committed or Failed."""

    work: Work


class Send(NamedTuple):
    """An envelope for a box; losing it costs a re-send."""

    store: str
    box: str
    envelope: bytes


class Acknowledge(NamedTuple):
    """The broker may forget these."""

    tokens: tuple[object, ...]


class GiveBack(NamedTuple):
    """The broker shall deliver these again."""

    tokens: tuple[object, ...]
    delay_s: float


Event = Arrived | Known | Committed | Failed
Effect = LookUp | Commit | Send | Acknowledge | GiveBack


class _Ready(NamedTuple):
    """A judged message that waits for its transaction. size: of its payload, in bytes."""

    parts: tuple[Part, ...]
    token: object
    size: int

    @property
    def records(self) -> int:
        return sum(len(part.entries) for part in self.parts if isinstance(part, Batch))

    @property
    def is_header(self) -> bool:
        return any(isinstance(part, Header) for part in self.parts)


class _Registered(NamedTuple):
    source: Source | None
    until: datetime


class Core:
    """One ingest worker. keys: HQ's opening keys by key id; signer: a receipts key; root: of the topics.

    patience: with an epoch that nobody knows; none where no other worker may bring its header
    `counts` says what happened so far: records, batches, and what was dropped, by reason.
    """

    def __init__(
        self, root: str, keys: Mapping[bytes, OpeningKey], signer: Signer, patience: timedelta = PATIENCE
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._patience = patience
        self._root = root
        self._signer = signer
        self._judge = Judge(keys)
        self._boxes: dict[BoxName, _Registered] = {}
        self._absent: set[bytes] = set()  # epochs of waiting messages that no look-up found
        self._waiting: list[Message] = []
        self._asked = False
        self._ready: list[_Ready] = []
        self._under_way: list[_Ready] = []
        self._work: Work | None = None
        self._held: dict[bytes, datetime] = {}
        self._unknown: dict[bytes, datetime] = {}  # epochs, with when their first batch came
        self._letters: Counter[tuple[BoxName, datetime]] = Counter()
        self._failures = 0
        self._pressure = Pressure()

    def step(self, event: Event, now: datetime) -> list[Effect]:
        """now: HQ's clock, aware UTC."""
        if isinstance(event, Failed):
            return [self._give_back()]
        effects: list[Effect] = []
        if isinstance(event, Arrived):
            self._waiting.extend(event.messages)
        elif isinstance(event, Known):
            self._learn(event, now)
        else:
            effects.extend(self._committed(event.outcome, now))
        effects.extend(self._take_waiting(now))
        effects.extend(self._start_commit(now))
        return effects

    @property
    def full(self) -> bool:
        """Whether enough waits for a transaction: more had better wait at the broker."""
        waiting = len(self._waiting) + len(self._ready)
        return waiting >= ENOUGH_MESSAGES or sum(ready.records for ready in self._ready) >= ENOUGH

    def ready(self) -> Iterator[Batch]:
        """Opened batches that wait for their transaction."""
        return (part for ready in self._ready for part in ready.parts if isinstance(part, Batch))

    # --- before the transaction ---

    def _learn(self, known: Known, now: datetime) -> None:
        self._asked = False
        for name, raw in known.boxes.items():
            self._boxes[name] = _Registered(_source(name, raw), now + BOX_KNOWN)
        for header in filter(None, known.epochs.values()):
            self._judge.learn(header)
        self._absent |= {epoch for epoch in known.epochs if epoch not in self._judge.epochs}

    def _take_waiting(self, now: datetime) -> list[Effect]:
        if self._asked or not self._waiting:
            return []
        needs = self._needs(now)
        if needs.boxes or needs.epochs:
            self._asked = True
            return [needs]
        taken, self._waiting = self._waiting, []
        taken.sort(key=lambda message: not message.topic.endswith(f"/{Up.EPOCH}"))  # headers before their batches
        effects = self._judge_all(taken, now)
        self._absent = set()
        return effects

    def _needs(self, now: datetime) -> LookUp:
        self._forget(now)
        boxes, epochs = set(), set()
        for message in self._waiting:
            try:
                address, what = parse_up(message.topic)
            except WireError:
                continue
            if (address.store, address.box) not in self._boxes:
                boxes.add((address.store, address.box))
            epoch = epoch_of(what, message.payload)
            if epoch is not None and epoch not in self._judge.epochs and epoch not in self._absent:
                epochs.add(epoch)
        return LookUp(frozenset(boxes), frozenset(epochs))

    def _forget(self, now: datetime) -> None:
        self._boxes = {name: box for name, box in self._boxes.items() if box.until > now}
        self._held = {epoch: at for epoch, at in self._held.items() if now - at < HOLD_EVERY}
        self._unknown = {epoch: at for epoch, at in self._unknown.items() if now - at < HOLD_EVERY}
        for epoch in list(self._judge.epochs)[:-MAX_EPOCHS]:
            del self._judge.epochs[epoch]

    def _judge_all(self, messages: Iterable[Message], now: datetime) -> list[Effect]:
        done: list[object] = []
        early: list[object] = []
        holds: dict[Sender, list[bytes]] = defaultdict(list)
        for message in messages:
            parts = []
            verdicts = self._verdicts(message)
            if self._are_early(verdicts, now):
                early.append(message.token)
                continue
            for verdict in verdicts:
                if isinstance(verdict, HoldEpoch):
                    self._hold(verdict, holds, now)
                elif isinstance(verdict, Ignored):
                    self.counts[f"ignored: {verdict.why}"] += 1
                elif self._within_bound(verdict, now):
                    parts.append(verdict)
            if parts:
                self._ready.append(_Ready(tuple(parts), message.token, len(message.payload)))
            else:
                done.append(message.token)
        effects: list[Effect] = [
            self._envelope(to, Kind.HOLD, Hold(at_us(now), b"".join(of))) for to, of in holds.items()
        ]
        effects += [GiveBack(tuple(early), LOOK_AGAIN_S)] if early else []
        return [*effects, Acknowledge(tuple(done))] if done else effects

    def _are_early(self, verdicts: Iterable[Verdict], now: datetime) -> bool:
        """Whether they wait for a header that may yet come from another worker."""
        return any(
            isinstance(one, HoldEpoch)
            and one.why == UNKNOWN
            and now - self._unknown.setdefault(one.epoch, now) < self._patience
            for one in verdicts
        )

    def _verdicts(self, message: Message) -> list[Verdict]:
        try:
            address, what = parse_up(message.topic)
        except WireError:
            return [Ignored("topic of nobody")]
        registered = self._boxes.get((address.store, address.box))
        if address.root != self._root or registered is None or registered.source is None:
            return [Ignored("box that is not registered")]
        return self._judge.judge(registered.source, what, message)

    def _hold(self, verdict: HoldEpoch, holds: dict[Sender, list[bytes]], now: datetime) -> None:
        self.counts[f"held: {verdict.why}"] += 1
        if verdict.epoch not in self._held:
            self._held[verdict.epoch] = now
            holds[verdict.sender].append(verdict.epoch)

    def _within_bound(self, part: Part, now: datetime) -> bool:
        if not isinstance(part, Letter):
            return True
        hour = now.replace(minute=0, second=0, microsecond=0)
        if any(at != hour for _, at in self._letters):
            self._letters.clear()
        self._letters[(part.sender.store, part.sender.box), hour] += 1
        within = self._letters[(part.sender.store, part.sender.box), hour] <= LETTERS_PER_HOUR
        self.counts["dead letters" if within else "dead letters over the bound"] += 1
        return within

    # --- the transaction and after ---

    def _start_commit(self, now: datetime) -> list[Effect]:
        if self._work is not None or not self._ready:
            return []
        self._under_way = self._next()
        self._pressure.begins(now)
        self._work = Work(now, tuple(_once(part for ready in self._under_way for part in ready.parts)))
        return [Commit(self._work)]

    def _next(self) -> list[_Ready]:
        """What the next transaction takes."""
        if headers := [ready for ready in self._ready if ready.is_header]:
            self._ready = [ready for ready in self._ready if not ready.is_header]
            return headers
        taken: list[_Ready] = []
        records = 0
        while self._ready and records < ENOUGH:
            taken.append(self._ready.pop(0))
            records += taken[-1].records
        return taken

    def _committed(self, outcome: Outcome, now: datetime) -> Iterator[Effect]:
        work, taken = self._work, self._under_way
        self._work, self._under_way, self._failures = None, [], 0
        if work is None:
            raise ValueError("a commit was reported that nobody had asked for")
        self._count(work, outcome)
        self._forget_headers(header for header in work.headers() if header.digest in outcome.unsettled)
        yield from self._receipts(work, outcome, now)
        yield from self._refusals(work, outcome, now)
        yield from self._paces(taken, now)
        yield Acknowledge(tuple(ready.token for ready in taken))

    def _count(self, work: Work, outcome: Outcome) -> None:
        self.counts["transactions"] += 1
        self.counts["batches"] += sum(1 for _ in work.batches())
        self.counts["stored"] += outcome.stored
        self.counts["duplicates of sources"] += outcome.duplicates
        self.counts["set aside"] += outcome.set_aside
        self.counts["repeated"] += outcome.repeated
        self.counts["unsettled"] += len(outcome.unsettled)

    def _receipts(self, work: Work, outcome: Outcome, now: datetime) -> Iterator[Effect]:
        by_box: dict[Sender, list[bytes]] = defaultdict(list)
        settled: list[Header | Batch] = [*work.headers(), *work.batches()]
        for part in settled:
            if part.digest not in outcome.unsettled:
                by_box[part.sender].append(part.digest[:DIGEST])
        for to, digests in by_box.items():
            for at in range(0, len(digests), _DIGESTS_PER_ENVELOPE):
                some = b"".join(digests[at : at + _DIGESTS_PER_ENVELOPE])
                yield self._envelope(to, Kind.RECEIPT, Receipt(at_us(now), some))

    def _refusals(self, work: Work, outcome: Outcome, now: datetime) -> Iterator[Effect]:
        for letter in work.letters():
            if letter.refused and letter.digest not in outcome.unsettled:
                body = Refusal(at_us(now), letter.digest[:DIGEST], letter.reason)
                yield self._envelope(letter.sender, Kind.REFUSAL, body)

    def _paces(self, taken: Iterable[_Ready], now: datetime) -> Iterator[Effect]:
        sizes: Counter[Sender] = Counter()
        for ready in taken:
            sizes[ready.parts[0].sender] += ready.size
        for to, pace, spread_s in self._pressure.ended(sizes, now):
            self.counts["paced" if pace else "let go"] += 1
            yield self._envelope(to, Kind.PACE, Pace(at_us(now), pace, spread_s))

    def _give_back(self) -> Effect:
        self._pressure.failed()
        returned = [*self._under_way, *self._ready]
        self._forget_headers(p for ready in returned for p in ready.parts if isinstance(p, Header))
        tokens = [message.token for message in self._waiting] + [ready.token for ready in returned]
        self._waiting, self._ready, self._under_way, self._work, self._asked = [], [], [], None, False
        self._failures += 1
        return GiveBack(tuple(tokens), min(MAX_DELAY_S, 2.0 ** min(self._failures, 10)))

    def _forget_headers(self, headers: Iterable[Header]) -> None:
        """Epochs that were not committed, or their batches would be stored without them."""
        for header in headers:
            self._judge.epochs.pop(header.header.identity.epoch, None)

    def _envelope(self, to: Sender, kind: Kind, body: Body) -> Send:
        return Send(to.store, to.box, self._signer.seal(kind, body, to.fingerprint))


def _source(name: BoxName, raw: bytes | None) -> Source | None:
    if raw is None:
        return None
    return Source(Sender(*name, sha256(raw).digest()), Ed25519PublicKey.from_public_bytes(raw))


def _once(parts: Iterable[Part]) -> Iterator[Part]:
    """The broker may deliver a message twice; a transaction takes it once."""
    seen: set[tuple[type[Part], Sender, bytes]] = set()
    for part in parts:
        if isinstance(part, Header | Batch | Letter):
            key = (type(part), part.sender, part.digest)
            if key in seen:
                continue
            seen.add(key)
        yield part
