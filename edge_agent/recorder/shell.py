"""The recorder's threads: one that alone touches the buffer, one that compresses and seals batches.

Everybody else talks to them through `Desk`: submit records, ask the buffer something, tell what HQ said.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import timedelta
from math import inf

from cloud_sync.seal.dictionary import Zstd
from edge_agent.buffer import Buffer, BufferDamaged, BufferError, Transaction
from edge_agent.buffer.mirror import Forgotten
from edge_agent.buffer.salvage import Gap
from edge_agent.buffer.space import Limits
from edge_agent.clock import Clock
from edge_agent.recorder.core import Reason, Recorder
from edge_agent.recorder.cutting import ROWS, SEALED, Damaged, Piece, cut
from edge_agent.recorder.desk import Asked, BufferFull, Desk, Leave, Submitted
from edge_agent.recorder.epochs import Seal, microseconds
from edge_agent.recorder.messages import (
    Accept,
    Commit,
    Committed,
    Confirm,
    Cut,
    CutDone,
    CutFailed,
    Effect,
    Event,
    Evicted,
    Flush,
    MakeRoom,
    Reopened,
    Rotten,
    TellToWait,
    Tick,
)
from edge_agent.recorder.mirroring import lent
from edge_agent.recorder.opening import Opened, leave_stream, replace_damaged
from edge_agent.recorder.parts import InFlight
from edge_agent.recorder.status import Status, look
from records import Lane

GROUP = 256
TICK_S = 0.05
LIVE = 64
LAST_CUTS_S = 5.0
MOVING_S = 40.0  # more than the uplink waits before it looks again
GRACE = timedelta(days=7)
SEEN_DAYS = 8
_RETRY_S = (0.1, 0.5, 1.0, 5.0)
log = logging.getLogger(__name__)


class RecorderThread:
    """Owns the buffer: `run` until `stop`, then everything at hand is committed and cut and the file is closed."""

    def __init__(
        self, opened: Buffer, recorder: Recorder, desk: Desk, clock: Clock, seal: Seal, limits: Limits
    ) -> None:
        self._buffer = opened
        self._recorder = recorder
        self._desk = desk
        self._clock = clock
        self._seal = seal
        self._limits = limits
        self._cuts: queue.Queue[Piece | None] = queue.Queue()
        self._stopping = threading.Event()
        self._forgotten_on = 0
        self._left: deque[Submitted | Asked | Leave | Event] = deque()
        self._turns = 0
        self._fetched = 0, -inf
        self._leaving: list[Leave] = []

    def start(self, reason: Reason | None, gaps: Sequence[Gap]) -> None:
        """Commits the first epoch, so that a caller knows that the buffer works."""
        try:
            self._do(self._recorder.start(self._clock.now(), reason, gaps))
        except BufferDamaged as damage:
            self._replace(damage)

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        cutter = threading.Thread(target=self._cut_loop, name="cutter", daemon=True)
        cutter.start()
        try:
            while not self._stopping.is_set() or not self._desk.jobs.empty() or self._left:
                self._turn()
                while self._leaving:
                    self._leave(self._leaving.pop())
                if not cutter.is_alive():
                    raise BufferError("the cutter has ended; see the log")
            self._cut_the_rest()
        finally:
            self._desk.closed.set()
            self._cuts.put(None)
            cutter.join()
            self._buffer.leave()

    def turns(self) -> int:
        """Rises while the loop makes progress."""
        return self._turns

    def status(self) -> Status:
        """Asked through the desk from another thread."""
        return self._desk.ask(lambda buffer: look(self._recorder, buffer, self._limits, self._clock.now()))

    def _turn(self) -> None:
        """Takes what is at hand, commits it as one group, looks what is due."""
        self._turns += 1
        self._gather()
        try:
            while self._left:
                self._take()
            self._step(Flush())
            self._buffer.space.keep_reserve(self._limits)
            room = self._buffer.space.room(self._limits)
            if rotten := self._buffer.outbox.rotten():
                self._step(Rotten(rotten))
            self._step(Tick(self._linger_s(), room))
            self._forget()
        except BufferDamaged as damage:
            self._replace(damage)
        except BufferError as fault:
            log.error("event=buffer-failed reason=%r", str(fault))
            self._reopen()

    def _linger_s(self) -> float:
        """Live records go at once where few batches wait, soon where a backlog is going out, else only in company."""
        if self._buffer.outbox.unsettled(LIVE) < LIVE:
            return self._recorder.policy.linger_s
        now = self._clock.now().mono
        if self._desk.fetches != self._fetched[0]:
            self._fetched = self._desk.fetches, now
        return self._recorder.policy.drain_s if now - self._fetched[1] < MOVING_S else inf

    def _gather(self) -> None:
        """Waits for a job, then takes the others that are there, up to a group."""
        try:
            self._left.append(self._desk.jobs.get(timeout=TICK_S))
            while len(self._left) < GROUP:
                self._left.append(self._desk.jobs.get_nowait())
        except queue.Empty:
            return

    def _take(self) -> None:
        """One job. What has to look into a file that fails stays, and is taken again once it is reopened."""
        job = self._left[0]
        if isinstance(job, Asked):
            job.question(self._buffer)
            self._left.popleft()
            return
        if isinstance(job, Leave):
            self._left.popleft()
            self._leaving.append(job)
            return
        event = self._accept(job) if isinstance(job, Submitted) else job
        self._left.popleft()
        self._step(event)

    def _accept(self, job: Submitted) -> Accept:
        submission = job.submission
        keys = [
            None if identity is None else self._recorder.identity_key(submission.device, identity)
            for identity in submission.identities
        ]
        known = self._buffer.seen(key for key in keys if key is not None)
        state = {(submission.device, key): value for key, value in submission.state.items()}
        return Accept(job.done, submission.records, keys, state, known, submission.waits)

    def _step(self, event: Event) -> None:
        self._do(self._recorder.step(event, self._clock.now()))

    def _do(self, effects: list[Effect]) -> None:
        waiting = deque(effects)
        try:
            while waiting:
                self._do_one(waiting.popleft())
        except BufferError:
            if any(isinstance(effect, Cut) for effect in waiting):  # nobody makes it any more
                self._step(CutFailed())
            raise

    def _do_one(self, effect: Effect) -> None:
        match effect:
            case Commit(transaction):
                self._commit(transaction)
            case Confirm(tickets):
                for done in tickets:
                    if isinstance(done, Future):
                        done.set_result(None)
            case Cut(lane):
                self._hand_to_cutter(lane)
            case TellToWait(done):
                if isinstance(done, Future):
                    done.set_exception(BufferFull())
            case MakeRoom(size):
                self._evict(size)

    def _commit(self, transaction: Transaction) -> None:
        self._buffer.apply(transaction)
        if self._desk.mirror:
            self._desk.mirror.took(transaction)
        if transaction.batches or transaction.epoch or transaction.again:
            self._desk.on_cut()
        self._step(Committed())

    def _reopen(self) -> None:
        """An error says nothing about what the disk has: read it again, and go on from there."""
        waits = iter(_RETRY_S)
        if self._desk.mirror:
            self._desk.mirror.compare()  # nobody tells it of a commit that failed and is there
        while True:
            try:
                self._buffer = self._buffer.reopen()
                self._step(Reopened(self._buffer.view()))
                break
            except BufferDamaged as damage:
                self._replace(damage)
                break
            except BufferError:
                if self._stopping.wait(next(waits, _RETRY_S[-1])):
                    raise

    def _replace(self, damage: BufferDamaged) -> None:
        """The file is damaged: what can be saved of it, and what was on its way into it, goes on in a fresh one."""
        log.error("event=buffer-damaged reason=%r", str(damage))
        identity, in_flight, now = self._recorder.identity, self._recorder.in_flight(), self._clock.now()
        self._buffer.close()
        with lent(self._desk.mirror) as mirror:
            opened = replace_damaged(self._buffer.path, *identity[2:4], self._seal, now.wall, in_flight, mirror)
        self._begin(opened, in_flight)

    def _begin(self, opened: Opened, in_flight: InFlight) -> None:
        self._buffer = opened.buffer
        self._recorder = Recorder(opened.identity, opened.view, self._seal, self._recorder.policy)
        self.start(opened.reason, opened.gaps)
        self._do([Confirm(in_flight.tickets)])

    def _leave(self, order: Leave) -> None:
        """In a fork another disk has this stream's numbers too: what is here is cut, and goes on in a new stream."""
        if self._recorder.identity.stream not in order.streams:
            order.left.set_result(True)
            return
        self._cut_the_rest()
        try:
            in_flight, now = self._recorder.in_flight(), self._clock.now()
            with lent(self._desk.mirror):
                opened = leave_stream(self._buffer, self._seal, now.wall, in_flight)
        except BufferError as fault:
            log.error("event=stream-kept reason=%r", str(fault))
            self._reopen()
            order.left.set_result(False)
            return
        self._begin(opened, in_flight)
        self._desk.on_cut()
        order.left.set_result(True)

    def _hand_to_cutter(self, lane: Lane) -> None:
        expected, accepted = self._recorder.cut[lane], self._recorder.accepted[lane]
        stream = self._recorder.identity.stream
        try:
            rows = self._buffer.rows(lane, expected, accepted, ROWS, SEALED)
            epoch = self._buffer.epoch(rows[0].epoch) if rows else self._recorder.epoch
        except BufferError:
            self._step(CutFailed())
            raise
        if not rows or rows[0].seq > expected:
            last = rows[0].seq - 1 if rows else accepted
            self._step(CutDone(Damaged(lane, epoch, expected, last, {}), stream))
        else:
            self._cuts.put(Piece(rows, stream, epoch, self._recorder.key(rows[0].epoch)))

    def _cut_the_rest(self) -> None:
        """At a clean end the epoch's key is still here: what it sealed leaves the journal as batches."""
        until = self._clock.now().mono + LAST_CUTS_S
        while self._recorder.uncut and self._clock.now().mono < until:
            self._turn()

    def _cut_loop(self) -> None:
        zstd = Zstd()
        while (piece := self._cuts.get()) is not None:
            done = CutDone(cut(piece, zstd, self._seal.random, self._clock.now()), piece.stream)
            piece = None  # with it the epoch's key, which would outlive its epoch until something else is cut
            self._desk.tell(done)

    def _evict(self, size: int) -> None:
        before_us = microseconds(self._clock.now().wall - GRACE)
        self._step(Evicted(self._buffer.outbox.evictable(size, self._desk.sending, before_us)))

    def _forget(self) -> None:
        """Once an hour of the day: headers, identities and grace that nothing needs any more."""
        now = self._clock.now().wall
        hour = now.date().toordinal() * 24 + now.hour
        if hour != self._forgotten_on:
            self._forgotten_on = hour
            old = Forgotten(self._recorder.oldest_ordinal, now.date().toordinal() - SEEN_DAYS)
            self._buffer.forget(*old)
            if self._desk.mirror:
                self._desk.mirror.took(old)
            self._evict(0)
