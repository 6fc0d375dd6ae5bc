"""Random sequences of everything that can happen to a buffer, against a plain account of what was promised."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from math import inf
from pathlib import Path
from random import Random
from typing import ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from cloud_sync.uplink import hearing
from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import certificate
from cloud_sync.wire.downlink import Envelope, Kind, Receipt, open_envelope
from edge_agent.buffer import Buffer, View
from edge_agent.buffer.space import Room
from edge_agent.recorder.core import CLOSING_S, Recorder
from edge_agent.recorder.messages import Accept, Commit, Confirm, Effect, Flush, Tick
from records import Lane
from tests.edge_agent.store_account import Account, made
from tests.edge_agent.store_model import (
    EPOCH_S,
    FINGERPRINT,
    HQ,
    ROOT,
    THIEF,
    Clock,
    Died,
    Fault,
    Files,
    Headquarters,
    Life,
    damage,
    lay,
    torn,
)

AMPLE = Room(2**30, 2**30)
ROOMS = (AMPLE, AMPLE, Room(-1, 5000), Room(-3000, 2**20), Room(-(2**30), -1))
MEMORY = Path("/dev/shm")  # noqa: S108 (a fresh folder of our own in it)
DRAIN = 400


@dataclass
class Image:
    """The files of an earlier moment, and the account then."""

    files: Files
    account: Account


class Store(RuleBasedStateMachine):
    """One box, its headquarters, and the account of what was promised."""

    happened: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="store-edge-", dir=MEMORY if MEMORY.is_dir() else None))
        self.clock, self.random, self.hq, self.account = Clock(), Random(1), Headquarters(), Account()
        self.numbers, self.generation = count(1), 0
        self.room = AMPLE
        self.envelopes: list[bytes] = []
        self.images: list[Image] = []
        self.life = Life(self.folder, self.clock)

    def teardown(self) -> None:
        try:
            self._drain()
            self.account.check_stored(self.hq.warehouse)
        finally:
            self.life.end()
            shutil.rmtree(self.folder)

    @invariant()
    def the_account_holds(self) -> None:
        """After whatever happened; what was confirmed since is entered."""
        self._enter()
        self.account.check(self.life)

    def _enter(self) -> None:
        confirmed, self.life.confirmed = self.life.confirmed, []
        self.account.enter([number for ticket in confirmed for number in ticket or ()])

    # --- records in ------------------------------------------------------------------------------------------------

    @rule(lanes=st.lists(st.sampled_from(Lane), min_size=1, max_size=8), waits=st.booleans())
    def accept(self, lanes: list[Lane], waits: bool) -> None:
        """Devices bring records; some of them can be told to wait."""
        numbers = tuple(next(self.numbers) for _ in lanes)
        records = [made(lane, number, self.clock) for lane, number in zip(lanes, numbers, strict=True)]
        self.life.step(Accept(numbers, records, [None] * len(records), {}, frozenset(), waits))
        self.life.step(Flush())

    @rule(lane=st.sampled_from(Lane), identity=st.integers(1, 3))
    def accept_a_source_event(self, lane: Lane, identity: int) -> None:
        """A source brings an event, perhaps one that it brought before."""
        number = next(self.numbers)
        key = self.life.core.identity_key("device", f"{self.generation}/{identity}")
        self.account.expect(number, key)
        record = made(lane, number, self.clock)
        self.life.step(Accept((number,), [record], [key], {}, self.life.buffer.seen([key])))
        self.life.step(Flush())

    @rule(fault=st.sampled_from(["before", "after", "full"]))
    def a_commit_fails(self, fault: Fault) -> None:
        """The disk fails once, before or after it has what it was given, or because it is full."""
        self.life.next_fault = fault
        self.accept([Lane.VITAL, Lane.NORMAL] * 8, waits=False)
        self.happened[fault] += self.life.next_fault is None

    @rule(room=st.sampled_from(ROOMS))
    def space_changes(self, room: Room) -> None:
        self.room = room

    # --- time ------------------------------------------------------------------------------------------------------

    @rule(
        seconds=st.sampled_from([0.01, 0.2, 5.0, CLOSING_S + 1]),
        linger_s=st.sampled_from([0.0, 1.0, inf]),
        cutter=st.sampled_from(["done", "done", "late", "failed"]),
    )
    def time_passes(self, seconds: float, linger_s: float, cutter: str) -> None:
        """The recorder looks what is due; the cutter may be late."""
        self.clock.move(seconds)
        self.life.step(Tick(linger_s, self.room))
        self.account.check_keys(self.life)
        if cutter == "done":
            self.life.finish_cut()
        elif cutter == "failed":
            self.life.fail_cut()

    @rule()
    def an_epoch_ends(self) -> None:
        self.clock.move(EPOCH_S)
        before = self.life.core.epoch
        self.life.step(Tick(1.0, self.room))
        self.happened["epoch"] += self.life.core.epoch != before

    @rule(days=st.integers(-3650, 3650))
    def the_clock_jumps(self, days: int) -> None:
        self.clock.wall += timedelta(days=days)

    @rule()
    def an_hour_is_over(self) -> None:
        """What nothing needs any more is forgotten; identities of so long ago there are none."""
        self.life.buffer.forget(self.life.core.oldest_ordinal, 0)

    # --- the link --------------------------------------------------------------------------------------------------

    @rule(limit=st.integers(1, 6), arrives=st.booleans(), times=st.integers(1, 2))
    def send(self, limit: int, arrives: bool, times: int) -> None:
        """Parcels go; they arrive once, twice or not at all."""
        parcels = self.life.parcels(limit)
        if arrives:
            self.envelopes += self.hq.take(parcels * times)

    @precondition(lambda self: self.envelopes)
    @rule(which=st.integers(0, 1000))
    def hear(self, which: int) -> None:
        """HQ's word comes down, in any order and more than once."""
        self._hear(self.envelopes[-1 - which % len(self.envelopes)])

    @rule(how=st.sampled_from(["thief", "other box", "flipped", "nobody's"]), bit=st.integers(0, 10_000))
    def hear_a_forgery(self, how: str, bit: int) -> None:
        """A word that is not HQ's for this box, or is about nothing of ours, changes nothing."""
        waiting = b"".join(parcel.prefix for parcel in self.life.parcels(50))
        named = Receipt(0, waiting)
        before = self.account.contents
        match how:
            case "thief":
                raw = THIEF.seal(Kind.RECEIPT, named, FINGERPRINT)
            case "other box":
                raw = HQ.seal(Kind.RECEIPT, named, bytes(32))
            case "flipped":
                true = bytearray(HQ.seal(Kind.RECEIPT, named, FINGERPRINT))
                true[bit // 8 % len(true)] ^= 1 << bit % 8
                raw = bytes(true)
            case _:
                raw = HQ.seal(Kind.RECEIPT, Receipt(0, self.random.randbytes(64)), FINGERPRINT)
        self.life.hear(raw)
        self.account.check(self.life)
        assert self.account.contents == before, f"a forged receipt ({how}) changed something"
        self.happened["forgery"] += bool(waiting)

    def _hear(self, raw: bytes) -> None:
        envelope = open_envelope(raw, ROOT, FINGERPRINT, 0)
        if envelope and isinstance(envelope.body, Receipt):
            self.account.receipted(envelope.body.each())
        asked: list[Parcel] = self.life.hear(raw)
        if asked:
            self.envelopes += self.hq.take(asked)

    # --- the box's misfortunes -------------------------------------------------------------------------------------

    def _live_on(self, files: Files) -> None:
        """The process is gone; the next one finds these files."""
        self._enter()
        self.life.end()
        lay(self.folder, files)
        self.life = Life(self.folder, self.clock)
        self.account.check_keys(self.life)

    @rule()
    def crash(self) -> None:
        """The power goes between two commits."""
        self._live_on(self.life.image())
        self.happened["crash"] += 1

    @rule()
    def crash_in_a_commit(self) -> None:
        """The power goes while a transaction is written: nothing was confirmed, it is there whole or not at all."""
        before = self.life.image()
        self.life.next_fault = "death"
        with pytest.raises(Died):
            self.accept([Lane.VITAL, Lane.NORMAL, Lane.BULK], waits=False)
        self.account.recounts()
        self._live_on(torn(before, self.life.image(), self.random))
        self.happened["torn"] += 1

    @rule()
    def restart(self) -> None:
        self.life.end()
        self.life = Life(self.folder, self.clock)

    @precondition(lambda self: self.account.is_of_one_stream(self.life.core.identity.stream))
    @rule(running=st.booleans())
    def salvage(self, running: bool) -> None:
        """A page of the file turns to noise, and that is noticed: at once, or after a crash."""
        if not running:
            self._live_on(self.life.image())
        self.account.is_salvaged()
        self.generation += 1
        self.life.buffer.close()
        damage(self.folder, self.random)
        self.life.replace()
        self.happened["salvage"] += 1

    @rule()
    def keep_an_image(self) -> None:
        """Somebody copies the disk."""
        self.images.append(Image(self.life.image(), self.account.copy()))

    @precondition(lambda self: self.images)
    @rule(which=st.integers(0, 9))
    def restore_an_image(self, which: int) -> None:
        """The copy is written back: what was accepted since is gone from the box, and numbers are given again."""
        image = self.images[which % len(self.images)]
        self.account.goes_back_to(image.account)
        self.generation += 1
        self._live_on(image.files)
        self.happened["image"] += 1

    # --- the end ---------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """The link is good and the disk is large: everything leaves."""
        self.life.fail_cut()
        for _ in range(DRAIN):
            self.clock.move(1.0)
            self.life.step(Tick(1.0, AMPLE))
            self.life.finish_cut()
            parcels = self.life.parcels(1000)
            for raw in self.hq.take(parcels):
                self._hear(raw)
            self.the_account_holds()
            if not parcels and not self.life.core.uncut:
                return
        raise AssertionError("the buffer does not empty")


def run(part: int, examples: int, steps: int, *phases: Phase) -> None:
    """Sequences that are the same every time, and others in every part."""
    run_state_machine_as_test(
        seed(part)(Store),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=phases,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize(
    ("part", "examples", "steps"),
    [(0, 200, 50), *(pytest.param(part, 2_500, 100, marks=pytest.mark.long) for part in range(1, 5))],
)
def test_what_was_accepted_is_in_one_place_whatever_happens(part: int, examples: int, steps: int) -> None:
    """Every accepted record is in the journal, in a batch, at HQ or named by a tombstone; in the end HQ has it once."""
    Store.happened.clear()

    run(part, examples, steps, Phase.generate, Phase.shrink)

    print(dict(Store.happened))
    few = {what: times for what, times in Store.happened.items() if times < examples // 10}
    assert not few
    assert len(Store.happened) >= 9


# --- the model sees what it should ---------------------------------------------------------------------------------


def believed(raw: bytes, *_: object) -> Envelope | None:
    """An envelope whose signature nobody looks at."""
    try:
        body = msgspec.msgpack.decode(raw[178:], type=Receipt)
    except msgspec.DecodeError:
        return None
    return Envelope(Kind.RECEIPT, certificate.parse(raw[5:114]), body)


def numbers_of_the_journal(look: object) -> object:
    """The next number taken from what is in the journal now, as if nothing had left it."""

    def view(buffer: Buffer) -> View:
        seen = look(buffer)
        top = dict(buffer._db.all("SELECT id >> 56, max(id & ((1 << 56) - 1)) FROM journal GROUP BY 1"))
        return seen._replace(next={lane: top.get(lane, 0) + 1 for lane in Lane})

    return view


def confirmed_at_once(self: Recorder) -> list[Effect]:
    """Sources are told before the disk has it."""
    if not self._pending or self._flying is not None:
        return []
    commit = self._commit()
    tickets, self._tickets = self._tickets, []
    return [Confirm(tickets), *commit]


def silent_eviction(self: Recorder, batches: list, *_: object) -> list[Commit]:
    """Batches go, and nobody is told."""
    self._pending.evicted.extend(batch.digest for batch in batches)
    return self._flush()


@pytest.mark.parametrize("mutant", ["unsigned receipts", "numbers of the journal", "confirmed early", "evicted unsaid"])
def test_a_broken_store_is_found_out(monkeypatch: pytest.MonkeyPatch, mutant: str) -> None:
    """A store that believes anybody, gives numbers again, confirms too early or drops in silence does not pass."""
    match mutant:
        case "unsigned receipts":
            monkeypatch.setattr(hearing, "open_envelope", believed)
        case "numbers of the journal":
            monkeypatch.setattr(Buffer, "view", numbers_of_the_journal(Buffer.view))
        case "confirmed early":
            monkeypatch.setattr(Recorder, "_flush", confirmed_at_once)
        case _:
            monkeypatch.setattr(Recorder, "_bury", silent_eviction)

    with pytest.raises(AssertionError):
        run(0, 100, 50, Phase.generate)
