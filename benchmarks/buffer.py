"""Sealed durable appends in groups of 100, beside plain SQLite that appends rows of the same size as durably."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeVar

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
ROW = 130  # bytes
RUNS = 3
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Group = TypeVar("Group")


def till_lines(count: int) -> list[Record]:
    """Tickets of one line each: what a till says about one article."""
    rng = Random(1)
    items = item_range(rng)
    return [
        Record("till-01", NOON, ticket_line(rng, NOON, number, items), number, ClockQuality.SOURCE)
        for number in range(count)
    ]


def timed(work: Callable[[Group], None], groups: Iterable[Group]) -> tuple[float, float]:
    """Wall and CPU seconds of the work alone: each group is made right before, as a driver makes it."""
    wall = cpu = 0.0
    for group in groups:
        began, began_cpu = time.perf_counter(), time.process_time()
        work(group)
        wall, cpu = wall + time.perf_counter() - began, cpu + time.process_time() - began_cpu
    return wall, cpu


def sealed(folder: Path) -> tuple[float, float]:
    """The recorder's core over the real buffer, without its queue."""
    seal = BoxSeal("0214", "box-1", bytes(16), Ed25519PrivateKey.generate(), [OpeningKey.generate().public] * 2)
    opened = open_buffer(folder, "0214", "box-1", seal, NOON)
    recorder, clock = Recorder(opened.identity, opened.view, seal, Policy()), SystemClock()
    run(opened.buffer, recorder, clock, recorder.start(clock.now(), opened.reason))
    nobody = [None] * GROUP

    def append(records: list[Record]) -> None:
        now = clock.now()
        recorder.step(Accept(None, records, nobody, {}, frozenset()), now)
        run(opened.buffer, recorder, clock, recorder.step(Flush(), now))

    took = timed(append, (till_lines(GROUP) for _ in range(GROUPS)))
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

    def append(rows: list[tuple[int, bytes]]) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO row VALUES (?, ?)", rows)
        db.execute("COMMIT")

    took = timed(append, ([(at + n, os.urandom(ROW)) for n in range(GROUP)] for at in range(0, GROUP * GROUPS, GROUP)))
    db.close()
    return took


def main() -> None:
    best = {"sealed": (9e9, 9e9), "plain": (9e9, 9e9)}
    for _ in range(RUNS):
        with TemporaryDirectory() as folder:
            best["sealed"] = min(best["sealed"], sealed(Path(folder)))
        with TemporaryDirectory() as folder:
            best["plain"] = min(best["plain"], plain(Path(folder)))
    rates = {name: GROUP * GROUPS / wall for name, (wall, _) in best.items()}
    cpu = {name: seconds / (GROUP * GROUPS) * 1000 for name, (_, seconds) in best.items()}
    show(
        [
            Figure("append_per_s", rates["sealed"], "records/s", rates["plain"]),
            Figure("append_cpu_s_per_1000", cpu["sealed"], "s", cpu["plain"]),
        ]
    )


if __name__ == "__main__":
    main()
