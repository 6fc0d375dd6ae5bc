"""Faults planted in the product, by name. Each takes one promise away; the world must notice every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import pytest

from cloud_sync.ingest.core import Acknowledge, Commit, Core, Effect
from cloud_sync.ingest.judge import Judge, Message, Verdict
from cloud_sync.ingest.work import Batch as Opened
from cloud_sync.ingest.work import Outcome, Sender, Work
from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.spans import gaps
from cloud_sync.uplink.messages import Connect, Publish, ResetSession
from cloud_sync.uplink.run import Loop
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire.topics import Up
from edge_agent.buffer import Buffer, View
from edge_agent.buffer.outbox import Evictable, Outbox
from edge_agent.buffer.transaction import row_id
from edge_agent.clock import Now
from edge_agent.recorder import messages as recorder
from edge_agent.recorder.core import Recorder
from edge_agent.recorder.desk import Desk
from hq.warehouse.memory import MemoryWarehouse
from records import Lane
from simulation.world.clock import BoxClock

Patch = pytest.MonkeyPatch
MUTANTS: dict[str, Callable[[Patch], None]] = {}


def mutant(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
    MUTANTS[plant.__name__.replace("_", " ")] = plant
    return plant


# --- HQ ----------------------------------------------------------------------------------------------------------


def _before_each_commit(patch: Patch, early: Callable[[Core, Work, datetime], Iterable[Effect]]) -> None:
    real = Core._start_commit

    def start(self: Core, now: datetime) -> list[Effect]:
        effects = real(self, now)
        return [more for each in effects if isinstance(each, Commit) for more in early(self, each.work, now)] + effects

    patch.setattr(Core, "_start_commit", start)


@mutant
def receipt_before_commit(patch: Patch) -> None:
    _before_each_commit(patch, lambda core, work, now: core._receipts(work, Outcome(), now))


@mutant
def broker_acknowledgement_before_commit(patch: Patch) -> None:
    _before_each_commit(patch, lambda core, *_: [Acknowledge(tuple(ready.token for ready in core._under_way))])


@mutant
def no_duplicate_check(patch: Patch) -> None:
    real = MemoryWarehouse.commit

    def commit(self: MemoryWarehouse, work: Work) -> Outcome:
        self.batches.clear()
        self.claims.clear()
        return real(self, work)

    patch.setattr(MemoryWarehouse, "commit", commit)


@mutant
def high_water_duplicate_check(patch: Patch) -> None:
    real = MemoryWarehouse._claim

    def claim(self: MemoryWarehouse, batch: Opened) -> list[int]:
        taken = self.claims.get((batch.stream, batch.epoch, batch.lane), [])
        highest = max((last for _, last in taken), default=0)
        return real(self, batch._replace(entries={seq: one for seq, one in batch.entries.items() if seq > highest}))

    patch.setattr(MemoryWarehouse, "_claim", claim)


@mutant
def claim_before_authentication(patch: Patch) -> None:
    real, claimed = Judge._batch, dict[tuple[bytes, int, int], bytes]()

    def judge(self: Judge, sender: Sender, message: Message) -> list[Verdict]:
        header, _ = wire_batch.parse(message.payload)
        digest = wire_batch.digest(message.payload)
        first = claimed.setdefault((header.epoch, header.lane, header.first), digest)
        verdicts = real(self, sender, message)
        return [
            each._replace(entries={}) if isinstance(each, Opened) and first != digest else each for each in verdicts
        ]

    patch.setattr(Judge, "_batch", judge)


@mutant
def digest_ignored_on_duplicate(patch: Patch) -> None:
    """A batch of numbers of which some are known counts as known."""
    real = MemoryWarehouse._claim

    def claim(self: MemoryWarehouse, batch: Opened) -> list[int]:
        taken = self.claims.get((batch.stream, batch.epoch, batch.lane), [])
        whole = (batch.first, batch.last)
        return real(self, batch) if gaps(whole, taken) == [whole] else []

    patch.setattr(MemoryWarehouse, "_claim", claim)


# --- the link ----------------------------------------------------------------------------------------------------


@mutant
def delete_on_puback(patch: Patch) -> None:
    real = Loop._drive

    def drive(self: Loop, effect: Connect | ResetSession | Publish) -> None:
        real(self, effect)
        if isinstance(effect, Publish) and effect.what is Up.BATCH:
            Desk.receipted(self._outbox, (wire_batch.digest(effect.payload)[:16],))  # type: ignore[arg-type]

    patch.setattr(Loop, "_drive", drive)


@mutant
def cumulative_receipt(patch: Patch) -> None:
    real = Outbox.settle

    def settle(db: Any, prefix: bytes, now_us: int) -> None:
        real(db, prefix, now_us)
        db.execute(
            "UPDATE outbox SET settled_us = ?2 WHERE settled_us IS NULL AND id <= "
            "(SELECT max(id) FROM outbox WHERE digest BETWEEN ?1 AND ?3)",
            (prefix, now_us, prefix + b"\xff" * 16),
        )

    patch.setattr(Outbox, "settle", staticmethod(settle))


# --- the store's disk ----------------------------------------------------------------------------------------------


@mutant
def confirmed_before_commit(patch: Patch) -> None:
    real = Recorder._accept

    def accept(self: Recorder, event: recorder.Accept, now: Now) -> list[recorder.Effect]:
        effects = real(self, event, now)
        return effects or [recorder.Confirm([self._pending.tickets.pop()])]

    patch.setattr(Recorder, "_accept", accept)


@mutant
def an_error_taken_for_a_no(patch: Patch) -> None:
    """What failed is given new numbers, though the disk may have it."""

    def reopened(self: Recorder, view: View) -> list[recorder.Effect]:
        return [] if self._flying is None else [recorder.Commit(self._flying._replace(number=view.transaction + 1))]

    patch.setattr(Recorder, "_reopened", reopened)


@mutant
def source_identity_forgotten(patch: Patch) -> None:
    def seen(self: Buffer, identities: Iterable[tuple[str, bytes]]) -> frozenset[tuple[str, bytes]]:
        return frozenset()

    patch.setattr(Buffer, "seen", seen)


@mutant
def key_dropped_before_cutting(patch: Patch) -> None:
    def drop(self: Recorder, now: Now) -> None:
        for ordinal, epoch in list(self._epochs.items()):
            if epoch.until is not None:
                del self._epochs[ordinal]

    patch.setattr(Recorder, "_drop_keys", drop)


@mutant
def seq_from_max_seq(patch: Patch) -> None:
    real = Buffer.view

    def view(self: Buffer) -> View:
        find = "SELECT max(id) FROM journal WHERE id BETWEEN ? AND ?"
        found = {
            lane: self._db.one(find, (row_id(lane, 0), row_id(lane, 2**56 - 1))) or row_id(lane, 0) for lane in Lane
        }
        return real(self)._replace(next={lane: id_ - row_id(lane, 0) + 1 for lane, id_ in found.items()})

    patch.setattr(Buffer, "view", view)


@mutant
def derived_nonce(patch: Patch) -> None:
    real = EpochKey.seal_row

    def seal(self: EpochKey, lane: Lane, seq: int, type_id: int, frame: bytes, random: Callable[[int], bytes]) -> bytes:
        return real(self, lane, seq, type_id, frame, lambda size: seq.to_bytes(size))

    patch.setattr(EpochKey, "seal_row", seal)


@mutant
def tombstone_lost(patch: Patch) -> None:
    def bury(self: Recorder, batches: Iterable[Evictable], reason: str, now: Now) -> list[recorder.Effect]:
        self._pending.evicted.extend(batch.digest for batch in batches)
        return self._flush()

    patch.setattr(Recorder, "_bury", bury)


@mutant
def batch_re_cut_after_sending(patch: Patch) -> None:
    """A batch leaves its last row in the journal, to be cut once more after a restart."""
    real = Outbox.cut_off

    def cut_off(db: Any, lane: Lane, first: int, last: int) -> None:
        real(db, lane, first, max(first, last - 1))

    patch.setattr(Outbox, "cut_off", staticmethod(cut_off))


# --- time --------------------------------------------------------------------------------------------------------


@mutant
def wall_clock_for_intervals(patch: Patch) -> None:
    patch.setattr(BoxClock, "monotonic", lambda self: self._agenda.now + self.skew + 1e9)
