"""Sealed durable appends in groups of 100, beside plain SQLite that appends rows of the same size as durably."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.figures import Figure, show
from cloud_sync.seal.hpke import OpeningKey
from edge_agent.buffer import Buffer
from edge_agent.buffer.schema import PRAGMAS
from edge_agent.clock import SystemClock
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.epochs import BoxSeal
from edge_agent.recorder.messages import Accept, Commit, Committed, Effect, Flush
from edge_agent.recorder.opening import open_buffer
from records import ClockQuality, Record
from simulation.traffic import item_range, ticket_line

GROUP = 100
GROUPS = 1_000
TICKETS = 1_000  # different ones, again and again: few enough to be as warm as what a driver has just read
RUNS = 3
ROW = 130  # bytes
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def till_lines(count: int) -> list[Record]:
    """Tickets of one line each: what a till says about one article."""
    rng = Random(1)
    items = item_range(rng)
    return [
        Record("till-01", NOON, ticket_line(rng, NOON, number, items), number, ClockQuality.SOURCE)
        for number in range(count)
    ]


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def sealed(folder: Path, records: list[Record]) -> tuple[float, float]:
    """The recorder's core over the real buffer, without its queue."""
    seal = BoxSeal("0214", "box-1", bytes(16), Ed25519PrivateKey.generate(), [OpeningKey.generate().public] * 2)
    opened = open_buffer(folder, "0214", "box-1", seal, NOON)
    recorder, clock = Recorder(opened.identity, opened.view, seal, Policy()), SystemClock()
    run(opened.buffer, recorder, clock, recorder.start(clock.now(), opened.reason))
    nobody = [None] * GROUP

    def append() -> None:
        for at in range(0, GROUP * GROUPS, GROUP):
            now, first = clock.now(), at % TICKETS
            recorder.step(Accept(None, records[first : first + GROUP], nobody, {}, frozenset()), now)
            run(opened.buffer, recorder, clock, recorder.step(Flush(), now))

    took = timed(append)
    assert sum(opened.buffer.view().next.values()) >= GROUP * GROUPS + 3
    opened.buffer.close()
    return took


def run(buffer: Buffer, recorder: Recorder, clock: SystemClock, effects: list[Effect]) -> None:
    for effect in effects:
        if isinstance(effect, Commit):
            buffer.apply(effect.transaction)
            recorder.step(Committed(), clock.now())


def plain(folder: Path) -> tuple[float, float]:
    """SQLite with the same pragmas and one table of rows of the size of sealed ones."""
    db = sqlite3.connect(folder / "plain.db", isolation_level=None)
    for pragma in PRAGMAS:
        db.execute(pragma).fetchall()
    db.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB)")
    bodies = [os.urandom(ROW) for _ in range(GROUP)]

    def append() -> None:
        for at in range(0, GROUP * GROUPS, GROUP):
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO row VALUES (?, ?)", [(at + n, body) for n, body in enumerate(bodies)])
            db.execute("COMMIT")

    took = timed(append)
    db.close()
    return took


def main() -> None:
    records = till_lines(TICKETS)
    best = {"sealed": (9e9, 9e9), "plain": (9e9, 9e9)}
    for _ in range(RUNS):
        with TemporaryDirectory() as folder:
            best["sealed"] = min(best["sealed"], sealed(Path(folder), records))
        with TemporaryDirectory() as folder:
            best["plain"] = min(best["plain"], plain(Path(folder)))
    rates = {name: GROUP * GROUPS / wall for name, (wall, _) in best.items()}
    cpu = {name: seconds / GROUPS / GROUP * 1000 for name, (_, seconds) in best.items()}
    show(
        [
            Figure("append_per_s", rates["sealed"], "records/s", rates["plain"]),
            Figure("append_cpu_s_per_1000", cpu["sealed"], "s", cpu["plain"]),
        ]
    )


if __name__ == "__main__":
    main()
