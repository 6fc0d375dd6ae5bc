"""What several benchmarks begin with: a headquarters of its own processes, and a store whose buffer is full."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from statistics import median

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.buffer import GROUP
from config import load
from edge_agent.buffer.space import Limits
from edge_agent.clock import SystemClock
from edge_agent.keys import read_keys
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.recorder.epochs import BoxSeal
from edge_agent.recorder.opening import open_buffer
from edge_agent.recorder.shell import RecorderThread
from hq.data import Data
from hq.headquarters import database
from hq.warehouse.columns import TABLES
from records import Record
from simulation.processes import Agent, Headquarters, wait_for
from simulation.tally import stored_count

STORE, BOX = "0214", "box-1"
AMPLE = Limits(4 << 30, 0, 16 << 20)
IN_HAND = 64
BLOCK = 65_536
COPIES = 3
Connection = psycopg.Connection[tuple[object, ...]]
WAIT_S = 300.0


class Scene:
    """Everything below `folder`. Headquarters runs from the start; the agent when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.hq = Headquarters(folder)
        self.hq.let_in(STORE, BOX, folder / "box", "Asia/Shanghai")
        self.agent = Agent(folder, folder / "box")
        self.agent.configure([], {})
        self.hq.start()
        self.hq.await_ready()
        self._looking: Connection | None = None

    @property
    def dsn(self) -> str:
        return database(Data(self.hq.data)).dsn()

    def stored(self) -> int:
        """Looked at often, so on a connection that stays: each new one costs as much as hundreds of records."""
        if self._looking is None:
            self._looking = psycopg.connect(self.dsn, autocommit=True)
        return stored_count(self._looking)

    def fill(self, records: Sequence[Record]) -> int:
        """Records accepted and cut into batches as the agent does it; how many numbers were given."""
        config = load(self.agent.yaml)
        keys, clock = read_keys(config.hq), SystemClock()
        seal = BoxSeal(STORE, BOX, bytes(16), keys.box, keys.recipients)
        config.data_dir.mkdir(parents=True, exist_ok=True)
        opened = open_buffer(config.data_dir, STORE, BOX, seal, clock.now().wall)
        core, desk = Recorder(opened.identity, opened.view, seal, Policy()), Desk()
        recorder = RecorderThread(opened.buffer, core, desk, clock, seal, AMPLE)
        recorder.start(opened.reason, opened.gaps)
        thread = threading.Thread(target=recorder.run)
        thread.start()
        in_hand: deque[Future[None]] = deque()
        for at in range(0, len(records), GROUP):
            some = records[at : at + GROUP]
            in_hand.append(desk.submit(Submission("till-01", some, [None] * len(some), {})))
            if len(in_hand) > IN_HAND:
                in_hand.popleft().result()
        wait_for("the batches to be cut", WAIT_S, lambda: not core.uncut or _rest(core) < core.policy.full)
        recorder.stop()
        thread.join()
        return sum(core.accepted.values())

    def close(self) -> None:
        self.agent.stop()
        if self._looking is not None:
            self._looking.close()
        self.hq.stop()

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rest(core: Recorder) -> int:
    return max(core.next[lane] - core.cut[lane] for lane in core.next)


def bare_copy(dsn: str) -> float:
    """Rows a second of one COPY of all records into tables with the same columns and indexes, in one transaction.

    The middle one of three, since each lasts but some seconds.
    """
    with psycopg.connect(dsn) as connection:
        dumps: list[tuple[str, bytes]] = []
        for table in TABLES.values():
            with connection.cursor().copy(
                SQL("COPY (SELECT * FROM {}) TO STDOUT").format(Identifier(table.name))
            ) as out:
                dumps.append((table.name, b"".join(bytes(block) for block in out)))
        connection.commit()
        took = median(_copied(connection, dumps, number) for number in range(COPIES))
        return sum(dump.count(b"\n") for _, dump in dumps) / took


def _copied(connection: Connection, dumps: Sequence[tuple[str, bytes]], number: int) -> float:
    """Seconds of a COPY of each dump into a fresh table like its own."""
    fresh = {name: Identifier(f"bare_{name}_{number}") for name, _ in dumps}
    for name, copied in fresh.items():
        connection.execute(SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(copied, Identifier(name)))
    connection.commit()
    began = time.perf_counter()
    for name, dump in dumps:
        with connection.cursor().copy(SQL("COPY {} FROM STDIN").format(fresh[name])) as copy:
            for at in range(0, len(dump), BLOCK):
                copy.write(dump[at : at + BLOCK])
    connection.commit()
    took = time.perf_counter() - began
    connection.execute(SQL("DROP TABLE {}").format(SQL(", ").join(fresh.values())))
    connection.commit()
    return took
