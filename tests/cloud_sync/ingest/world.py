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
    GiveBack,
    LookUp,
    Send,
)
from cloud_sync.ingest.judge import Message
from cloud_sync.ingest.work import Warehouse
from cloud_sync.wire.downlink import Hold, Pace, Receipt, Refusal, open_envelope
from hq.warehouse.memory import MemoryWarehouse
from tests.cloud_sync.ingest.box import KEYS, NOW, ROOT, SIGNER, Box


@dataclass
class World:
    """A core with its warehouse; keeps what a box and a broker see."""

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
        self.step(Arrived(messages))

    def step(self, event: Event) -> None:
        for effect in answered(self.core, self.warehouse, event, self.now):
            if isinstance(effect, Send):
                self.sent.append(effect)
            elif isinstance(effect, Acknowledge):
                self.acknowledged.extend(effect.tokens)
            else:
                self.given_back.extend(effect.tokens)

    def told(self, box: Box) -> list[Receipt | Hold | Refusal]:
        """What the box can open of what was sent to it."""
        return list(told(self.sent, box))


def answered(core: Core, warehouse: Warehouse, event: Event, now: datetime) -> list[Send | Acknowledge | GiveBack]:
    """What the core says in the end, each of its questions answered by the warehouse."""
    said: list[Send | Acknowledge | GiveBack] = []
    for effect in core.step(event, now):
        if isinstance(effect, LookUp):
            said += answered(core, warehouse, warehouse.look_up(effect.boxes, effect.epochs), now)
        elif isinstance(effect, Commit):
            said += answered(core, warehouse, Committed(warehouse.commit(effect.work)), now)
        else:
            said.append(effect)
    return said


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
