"""`edge-hq up`: broker, database, ingest and console on one machine, kept running, ended together.

Order of a start: broker, stream, database, tables, workers. What dies is started again after a pause that doubles from
half a second to half a minute and starts over once the part ran for a minute. Children are told by the kernel when we
die; what outlives a SIGKILL all the same is found by its command line and ended at the next start. `run.json` names
ports and process ids while we run.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

import msgspec

from hq import brokers
from hq.data import Data, Failure, host_port, private_directory, write_private
from hq.embedded import process
from hq.exits import Exit
from hq.headquarters import Wishes, broker, database, init, migrate, offline_advice
from hq.notify import notify

TICK_S = 0.25
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
STOP_S = 20.0
CONSOLE_S = 30.0


class Part(Protocol):
    """Something that runs as a child process."""

    process: subprocess.Popen[bytes] | None

    @property
    def name(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Stopped(BaseException):
    """SIGTERM or SIGINT came."""


@dataclass
class Worker:
    """One of our own commands as a child; it writes to our standard error. name: of this child, the only one of it."""

    name: str
    command: str
    root: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Ends one that was left over, then starts."""
        mark = f"edge-hq-up={self.root}:{self.name}"
        process.end_leftovers(Path(sys.executable).name, mark, signal.SIGTERM, STOP_S)
        argv = [sys.executable, "-P", "-X", mark, "-m", "hq", self.command, "--data", str(self.root)]
        self.process = process.start(argv, log=None, on_parent_death=signal.SIGTERM, user=None)

    def stop(self) -> None:
        if self.process is not None:
            process.stop(self.process, signal.SIGTERM, STOP_S)
            self.process = None


@dataclass
class Watched:
    """A part with its history of deaths. Times are monotonic seconds."""

    part: Part
    started: float
    pause: float = FIRST_PAUSE_S
    due: float | None = None

    def look(self, now: float) -> bool:
        """Notices a death and starts the part again when its pause is over; True when it was started."""
        if self.due is None and self.part.process is not None and self.part.process.poll() is not None:
            self._plan(now, f"ended with {self.part.process.returncode}")
        if self.due is None or now < self.due:
            return False
        self.due, self.started = None, now
        try:
            self.part.start()
        except process.StartError as error:
            self._plan(now, str(error))
        return True

    def _plan(self, now: float, why: str) -> None:
        pause = FIRST_PAUSE_S if now - self.started > STEADY_S else self.pause
        self.pause = min(2 * pause, LONGEST_PAUSE_S)
        self.due = now + pause
        print(f"edge-hq: {self.part.name} {why}; next start in {pause:g} s", file=sys.stderr, flush=True)


class Running(msgspec.Struct):
    """What `run.json` says."""

    pid: int
    console: str
    mqtt: str
    nats: str
    database_port: int
    pids: dict[str, int]


def up(data: Data, wishes: Wishes) -> int:
    """Runs until SIGTERM or SIGINT. Raises DataError, Failure."""
    private_directory(data.root)
    with alone(data), _signals(), ExitStack() as stack:
        try:
            init(data, wishes)
            print(offline_advice(data), end="", flush=True)
            watched = _start(data, stack)
            running = _write_run(data, watched)
            _await_console(data, watched)
            print(f"edge-hq: ready; console: {running.console}", flush=True)
            notify("READY=1")
            _watch(data, watched)
        except Stopped:
            _ignore_signals()
            notify("STOPPING=1")
            print("edge-hq: stopping", flush=True)
    return Exit.DONE


def _start(data: Data, stack: ExitStack) -> list[Watched]:
    stack.callback(data.run_file.unlink, missing_ok=True)
    parts: list[Part] = [broker(data), database(data)]
    _begin(parts[0], stack)
    asyncio.run(_make_stream(data))  # at once: what boxes say before there is a stream is kept by nobody
    _begin(parts[1], stack)
    migrate(data)
    workers = [*(Worker(name, "ingest", data.root) for name in _ingest()), Worker("serve", "serve", data.root)]
    for worker in workers:
        stack.callback(worker.stop)
        worker.start()
    return [Watched(part, time.monotonic()) for part in [*parts, *workers]]


def _ingest() -> list[str]:
    """Two workers, where they have a core each: what one opens, the other meanwhile brings to the database."""
    return ["ingest", "ingest-2"][: os.cpu_count()]


def _begin(part: Part, stack: ExitStack) -> None:
    stack.callback(part.stop)
    print(f"edge-hq: starting {part.name}", flush=True)
    part.start()


def _await_console(data: Data, watched: list[Watched]) -> None:
    """Waits until the console takes connections, not longer than it lives nor than half a minute."""
    settings = data.settings()
    serve = watched[-1].part.process
    deadline = time.monotonic() + CONSOLE_S
    while serve and serve.poll() is None and time.monotonic() < deadline:
        if process.listens(settings.host, settings.console_port):
            return
        time.sleep(process.POLL_S)


def _watch(data: Data, watched: list[Watched]) -> None:
    while True:
        started = [one.look(time.monotonic()) for one in watched]
        if any(started):
            _write_run(data, watched)
        notify("WATCHDOG=1")
        time.sleep(TICK_S)


async def _make_stream(data: Data) -> None:
    server = broker(data)
    try:
        source = await brokers.connect(server.url, data.tls, data.settings().topic_root)
    except brokers.AWAY as fault:
        raise Failure(f"the broker made no stream ({type(fault).__name__}); see {server.log}") from fault
    await source.close()


def _write_run(data: Data, watched: list[Watched]) -> Running:
    settings = data.settings()
    running = Running(
        pid=os.getpid(),
        console=f"http://{host_port(settings.host, settings.console_port)}",
        mqtt=f"mqtts://{host_port(settings.names[0], settings.mqtt_port)}",
        nats=broker(data).url,
        database_port=settings.database_port,
        pids={one.part.name: one.part.process.pid for one in watched if one.part.process},
    )
    write_private(data.run_file, msgspec.json.encode(running))
    return running


@contextmanager
def alone(data: Data) -> Iterator[None]:
    """Holds the data directory's lock. Raises Failure when another `up` does."""
    with os.fdopen(os.open(data.lock_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"another edge-hq up runs on {data.root}; end that one first") from None
        yield


@contextmanager
def _signals() -> Iterator[None]:
    """Turns the first SIGTERM or SIGINT into `Stopped`; later ones change nothing."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
