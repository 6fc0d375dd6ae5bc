"""The warehouse in memory knows what PostgreSQL's knows, whatever comes in whatever order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from random import Random

import pytest

from cloud_sync.ingest.work import Beat, Letter, Part, Reply, Sender, Work
from cloud_sync.wire.downlink import ANY_EPOCH
from cloud_sync.wire.heartbeat import Answer, LaneState
from hq.complete import report
from records import Record
from records.types import Loss, StreamOpen
from tests.cloud_sync.ingest.box import NOW, Box, weigh
from tests.hq.warehouse.houses import MemoryHouse, PostgresHouse, parts

NOW_US = int(NOW.timestamp() * 1_000_000)
STEPS = 40


class Store:
    """A store that does odd things: copies its disk, begins anew, drops, forgets, sends in any order."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.box = Box()
        self.sides = [self.box]
        self.beats = 0

    def part(self) -> list[Part]:
        side = self.random.choice(self.sides)
        return list(self.random.choice(self.DEEDS)(self, side))

    def send(self, side: Box) -> list[Part]:
        payload = side.batch(weigh(self.random.randint(1, 9)))
        return list(parts(side, [payload], header=True)) if self.random.random() < 0.8 else []

    def repack(self, side: Box) -> list[Part]:
        first, size = self.random.randint(1, max(side.seqs[1], 2)), self.random.randint(1, 12)
        return list(parts(side, [side.batch(weigh(size), first)], header=True))

    def epoch(self, side: Box) -> list[Part]:
        side.new_epoch()
        return list(parts(side, [], header=self.random.random() < 0.7))

    def copy(self, side: Box) -> list[Part]:
        if len(self.sides) < 3:
            other = replace(side, seqs=list(side.seqs))
            other.epoch, other.header = side.epoch, side.header
            other.new_epoch()
            self.sides.append(other)
        return []

    def begin(self, side: Box) -> list[Part]:
        fresh = Box(key=side.key)
        self.sides[self.sides.index(side)] = fresh
        said = StreamOpen(fresh.store, fresh.name, "new", self.random.choice([None, side.stream.hex()]))
        return list(parts(fresh, [fresh.batch([Record("agent", NOW, said)])], header=True))

    def say(self, side: Box) -> list[Part]:
        self.beats += 1
        lanes = tuple(LaneState(accepted=following - 1) for following in side.seqs)
        at_us = NOW_US + self.beats * 1_000_000 - self.random.choice([0, 0, 5_000_000])
        body = side.beat(self.beats, 1, clock=self.random.choice([0, 1]), at_us=at_us, lanes=lanes)
        return [Beat(Sender(side.store, side.name, side.fingerprint), body)]

    def drop(self, side: Box) -> list[Part]:
        first = self.random.randint(1, 30)
        gone = Loss("evicted", 5, {"weight": 5}, side.stream.hex(), side.epoch.epoch.hex(), 1, first, first + 4)
        refused = Loss("refused", 2, {"weight": 2})
        return list(parts(side, [side.batch([Record("agent", NOW, one) for one in (gone, refused)])], header=True))

    def forget(self, side: Box) -> list[Part]:
        first = self.random.randint(1, 30)
        answer = Answer(side.store, side.name, 0, not_held=((side.stream, ANY_EPOCH, 1, first, first + 3),))
        return [Reply(Sender(side.store, side.name, side.fingerprint), answer)]

    def rot(self, side: Box) -> list[Part]:
        payload = side.batch(weigh(3))
        topic = f"se/{side.store}/{side.name}/up/batch"
        sender = Sender(side.store, side.name, side.fingerprint)
        return [Letter(sender, sha256(payload).digest(), topic, "rotten", payload, refused=True, sealed=True)]

    DEEDS = (send, send, send, repack, epoch, copy, begin, say, say, drop, forget, rot)


@pytest.mark.parametrize("seed", range(4))
def test_both_know_the_same(migrated: str, seed: int) -> None:
    """After every step: the same records, the same completeness to the number and the time, the same notices."""
    store = Store(Random(seed))
    memory, postgres = MemoryHouse([store.box]), PostgresHouse(migrated, [store.box])
    for step in range(STEPS):
        deeds = tuple(part for _ in range(store.random.randint(1, 3)) for part in store.part())
        at = NOW + timedelta(seconds=step)
        outcomes = [house.port.commit(Work(at, deeds)) for house in (memory, postgres)]
        assert outcomes[0] == outcomes[1], f"step {step}: {[type(part).__name__ for part in deeds]}"
    assert memory.records() == postgres.records()
    assert memory.noticed() == postgres.noticed()
    assert [report(one) for one in memory.standings()] == [report(one) for one in postgres.standings()]
    assert len(memory.records()) > STEPS
