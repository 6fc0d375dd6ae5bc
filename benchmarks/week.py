"""A week without network on a simulated clock: five records a second, a restart a day, nobody to send to.

    python -m benchmarks.week [RECORDS] [--json]

Figures: what the buffer takes on disk for a record, the growth of this process's resident memory from the first tenth
of the backlog to its end, and how long it takes to open the file at the end, to look at what is there and to accept the
first record; beside each start the reads that it made of the file, which do not grow with the backlog.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import inf
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.figures import Figure, show
from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.hpke import OpeningKey
from edge_agent.buffer.space import Limits
from edge_agent.clock import Now
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.cutting import ROWS, SEALED, Piece, cut
from edge_agent.recorder.epochs import BoxSeal, Seal
from edge_agent.recorder.messages import Accept, Commit, Committed, Cut, CutDone, Effect, Flush, Tick
from edge_agent.recorder.opening import open_buffer
from records import ClockQuality, Lane, Record
from simulation.traffic import records

WEEK = 3_000_000
PER_S = 5
GROUP = 100
DAYS = 7
BEGIN = datetime(2026, 11, 16, tzinfo=UTC)
LIVE = 64  # waiting batches beyond which the link counts as busy
LIMITS = Limits(budget=2**31, floor=0, reserve=16 * 2**20)
NOBODY = [None] * GROUP
MIB = 1024 * 1024


class Start(NamedTuple):
    """What opening took. reads: pages of the file and its log, from open to the first accepted record."""

    backlog: int
    seconds: float
    reads: int


@dataclass
class Report:
    """records: accepted and waiting; file_bytes: file and log at the end; rss: bytes resident, after each tenth."""

    records: int = 0
    file_bytes: int = 0
    batches: int = 0
    rss: list[int] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Bytes of memory from the first tenth to the most of the rest."""
        return max(self.rss[1:]) - self.rss[0]


def resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024


def bytes_read() -> int:
    """What this process has read of files so far, from the page cache too."""
    return int(re.findall(r"rchar: (\d+)", Path("/proc/self/io").read_text())[0])


class Week:
    """One recorder after another over the same file, stepped by the records' own time, as store 0214's box-1."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self.folder = folder
        self.report = Report()
        self._now = Now(BEGIN, 1000.0, ClockQuality.SYNCED)
        self._seal = seal
        self._zstd = Zstd()
        self._source = records(Random(1), BEGIN, timedelta(seconds=1 / PER_S))

    def run(self, count: int) -> Report:
        """Accepts so many records in seven lives."""
        report = self.report
        self._measured_start()
        for tenth in range(10):
            for number in range(tenth * count // 10, (tenth + 1) * count // 10, GROUP):
                if number // GROUP % max(1, count // GROUP // DAYS) == 0 and number:
                    self._buffer.close()
                    self._measured_start()
                self._accept(list(islice(self._source, GROUP)))
            report.rss.append(resident())
        self._buffer.close()
        self._measured_start()
        report.file_bytes, report.batches = self._buffer.space.on_disk(), self._buffer.outbox.unsettled(2**31)
        self._buffer.close()
        return report

    def _measured_start(self) -> None:
        read, began = bytes_read(), time.perf_counter()
        opened = open_buffer(self.folder, "0214", "box-1", self._seal, self._now.wall)
        self._buffer = opened.buffer
        self._recorder = Recorder(opened.identity, opened.view, self._seal, Policy())
        self._run(self._recorder.start(self._now, opened.reason, opened.gaps))
        self._take(list(islice(self._source, GROUP)))
        seconds, pages = time.perf_counter() - began, (bytes_read() - read) // 4096
        self.report.starts.append(Start(self.report.records, seconds, pages))

    def _take(self, some: list[Record]) -> None:
        self._run(self._recorder.step(Accept(None, some, NOBODY, {}, frozenset()), self._now))
        self._run(self._recorder.step(Flush(), self._now))
        self.report.records += len(some)

    def _accept(self, some: list[Record]) -> None:
        passed = GROUP / PER_S
        self._now = Now(self._now.wall + timedelta(seconds=passed), self._now.mono + passed, ClockQuality.SYNCED)
        self._take(some)
        self._buffer.space.keep_reserve(LIMITS)
        linger_s = self._recorder.policy.linger_s if self._buffer.outbox.unsettled(LIVE) < LIVE else inf
        self._run(self._recorder.step(Tick(linger_s, self._buffer.space.room(LIMITS)), self._now))

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Commit(transaction):
                    self._buffer.apply(transaction)
                    self._run(self._recorder.step(Committed(), self._now))
                case Cut(lane):
                    self._run(self._recorder.step(self._cut(lane), self._now))

    def _cut(self, lane: Lane) -> CutDone:
        rows = self._buffer.rows(lane, self._recorder.cut[lane], self._recorder.accepted[lane], ROWS, SEALED)
        stream, epoch = self._recorder.identity.stream, rows[0].epoch
        piece = Piece(rows, stream, self._buffer.epoch(epoch), self._recorder.key(epoch))
        return CutDone(cut(piece, self._zstd, os.urandom, self._now), stream)


def main() -> None:
    wanted = next((int(word) for word in sys.argv[1:] if word.isdigit()), WEEK // 10)
    seal = BoxSeal("0214", "box-1", bytes(16), Ed25519PrivateKey.generate(), [OpeningKey.generate().public])
    with TemporaryDirectory() as folder:
        report = Week(Path(folder), seal).run(wanted)
    first, *_, last = report.starts[1:]
    show(
        [
            Figure("week_records", report.records, "records"),
            Figure("week_bytes_per_record", report.file_bytes / report.records, "bytes"),
            Figure("week_rss_growth_mb", report.growth / MIB, "MiB"),
            Figure("week_start_s", last.seconds, "s", first.seconds),
            Figure("week_start_reads", last.reads, "pages", first.reads),
        ]
    )


if __name__ == "__main__":
    main()
