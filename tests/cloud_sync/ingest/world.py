"""Ingest's state machine with real keys and the warehouse in memory, and what a box and a broker see of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256

from cloud_sync.ingest.core import (
    Acknowledge,
    Arrived,
    Commit,
    Committed,
    Core,
    Effect,
    Event,
    LookUp,
    Send,
)
from cloud_sync.ingest.judge import Message
from cloud_sync.wire.downlink import Hold, Pace, Receipt, Refusal, open_envelope
from hq.warehouse.memory import MemoryWarehouse
from tests.cloud_sync.ingest.box import KEYS, NOW, ROOT, SIGNER, Box


@dataclass
class World:
    """A core with its warehouse; `run` carries out what the core asks for, and keeps what a box and a broker see."""

    boxes: Sequence[Box]
    core: Core = field(default_factory=lambda: Core("se", KEYS, SIGNER))
    now: datetime = NOW
    sent: list[Send] = field(default_factory=list)
    acknowledged: list[object] = field(default_factory=list)
    given_back: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        keys = {(box.store, box.name): box.public_key for box in self.boxes}
        self.warehouse = MemoryWarehouse(keys, date(2020, 1, 1))

    def arrive(self, *messages: Message) -> None:
        self.run(self.core.step(Arrived(messages), self.now))

    def run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, LookUp):
                self.step(self.warehouse.look_up(effect.boxes, effect.epochs))
            elif isinstance(effect, Commit):
                self.step(Committed(self.warehouse.commit(effect.work)))
            elif isinstance(effect, Send):
                self.sent.append(effect)
            elif isinstance(effect, Acknowledge):
                self.acknowledged.extend(effect.tokens)
            else:
                self.given_back.extend(effect.tokens)

    def step(self, event: Event) -> None:
        self.run(self.core.step(event, self.now))

    def told(self, box: Box) -> list[Receipt | Hold | Refusal]:
        """What the box can open of what was sent to it."""
        return list(told(self.sent, box))


def told(effects: Iterable[Effect], box: Box) -> Iterator[Receipt | Hold | Refusal]:
    for effect in effects:
        if isinstance(effect, Send) and (effect.store, effect.box) == (box.store, box.name):
            envelope = open_envelope(effect.envelope, ROOT.public_key(), box.fingerprint, 1)
            assert envelope is not None
            if isinstance(envelope.body, Pace):
                continue  # by how long the transaction took, which is not what these tests are about
            assert isinstance(envelope.body, Receipt | Hold | Refusal)
            yield envelope.body


def name(payload: bytes) -> bytes:
    return sha256(payload).digest()[:16]
