"""`edge-hq ingest`: carries out what the core asks for, between the broker and the database.

Any number of workers share the stream's consumer. A worker may be killed at any moment: what it had not acknowledged
comes to another one, and what it had committed is found committed. Without broker or database it waits, ever longer up
to half a minute, and says so once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from cloud_sync.ingest import Core
from cloud_sync.ingest.core import (
    Acknowledge,
    Arrived,
    Commit,
    Committed,
    Effect,
    Event,
    Failed,
    GiveBack,
    LookUp,
    Send,
)
from cloud_sync.ingest.judge import Message
from cloud_sync.ingest.work import Known, WarehouseAway
from cloud_sync.wire.batch import MAX_SIZE
from cloud_sync.wire.topics import Address
from hq import headquarters, keys
from hq.brokers import AWAY, Source, connect
from hq.clerk import Clerk
from hq.data import Data
from hq.exits import Exit
from hq.warehouse.postgres import PostgresWarehouse

LONGEST_PAUSE_S = 30.0
REPORT_S = 60.0
SWITCH_S = 0.001  # while one thread opens what has come, another waits for the database a hundred times a second
Asked = asyncio.Queue[LookUp | Commit]
log = logging.getLogger(__name__)


class Worker:
    """url, tls: of the broker; root: of the topics; dsn: of a migrated database; generation: of this headquarters.

    replay: a file that is there while the broker's stream shall be taken from its beginning
    """

    def __init__(
        self, url: str, tls: Path, root: str, keyring: keys.Keyring, dsn: str, generation: int, replay: Path
    ) -> None:
        self._url = url
        self._tls = tls
        self._root = root
        self._keyring = keyring
        self._replay = replay
        self._warehouse = PostgresWarehouse(dsn)
        self._clerk = Clerk(dsn, keyring, generation)
        self._clerk_away = False
        self._away = False
        self._pause = 0.0
        self._database = ThreadPoolExecutor(1)  # so that nothing is asked while an earlier question is under way
        self._answered = asyncio.Event()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stopping` is set."""
        pause = 0.5
        while not self.stopping.is_set():
            try:
                await self._connected()
                pause = 0.5
            except* AWAY as faults:
                log.warning("event=broker-away error=%s retry_s=%g", type(faults.exceptions[0]).__name__, pause)
                await self._rest(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
        await asyncio.get_running_loop().run_in_executor(self._database, self._warehouse.close)
        await asyncio.to_thread(self._clerk.close)
        self._database.shutdown()

    async def _connected(self) -> None:
        """One connection to the broker, until it breaks; what was under way comes again on the next."""
        source = await connect(self._url, self._tls, self._root)
        log.info("event=broker-connected")
        try:
            if self._replay.exists():
                await source.take_again()
                self._replay.unlink(missing_ok=True)
                log.info("event=stream-taken-again")
            await self._serve(source)
        finally:
            await source.close()

    async def _serve(self, source: Source) -> None:
        """Takes messages and opens them, while the database has its hands full with those before."""
        core = Core(self._root, self._keyring.opening, self._keyring.receipts)
        asked: Asked = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as both:
                answering = both.create_task(self._answer(source, core, asked))
                await self._take(source, core, asked)
                answering.cancel()
        finally:
            _report(core)

    async def _take(self, source: Source, core: Core, asked: Asked) -> None:
        """Until it is time to stop or the connection is gone; then until everything taken is done with."""
        told = _now()
        while not self.stopping.is_set() and source.connected:
            for some in _pieces(await source.next()):
                await self._carry_out(source, asked, core.step(Arrived(some), _now()))
                self._warehouse.prepare(core.ready())
                await asyncio.sleep(0)  # the database may have answered, and must not stand idle
            await self._do_clerks_work(source)
            await self._rest(self._pause)
            while core.full and not self.stopping.is_set():
                self._answered.clear()
                await self._answered.wait()
            if (_now() - told).total_seconds() > REPORT_S:
                told = _now()
                _report(core)
        await asked.join()

    async def _answer(self, source: Source, core: Core, asked: Asked) -> None:
        """The warehouse's answers, one question after the other, until cancelled."""
        while True:
            effect = await asked.get()
            event = await asyncio.get_running_loop().run_in_executor(self._database, self._ask, effect)
            if isinstance(event, Failed):
                _empty(asked)  # the core gives back everything and waits for no answer any more
            effects = core.step(event, _now())
            if isinstance(event, Failed):
                self._pause = max(effect.delay_s for effect in effects if isinstance(effect, GiveBack))
            await self._carry_out(source, asked, effects)
            asked.task_done()
            self._answered.set()

    async def _carry_out(self, source: Source, asked: Asked, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, LookUp | Commit):
                asked.put_nowait(effect)
            elif isinstance(effect, Send):
                await source.send(Address(self._root, effect.store, effect.box).down(), effect.envelope)
            elif isinstance(effect, Acknowledge):
                await source.acknowledge(effect.tokens)
            else:
                await source.give_back(effect.tokens, effect.delay_s)

    async def _do_clerks_work(self, source: Source) -> None:
        try:
            notes = await asyncio.to_thread(self._clerk.tick, _now())
        except psycopg.Error as fault:
            if not self._clerk_away:
                log.warning("event=clerk-away error=%s", type(fault).__name__)
            self._clerk_away = True
            return
        self._clerk_away = False
        for note in notes:
            await source.send(Address(self._root, note.store, note.box).down(), note.envelope)

    def _ask(self, effect: LookUp | Commit) -> Event:
        """The warehouse's answer."""
        try:
            answer: Known | Committed
            if isinstance(effect, LookUp):
                answer = self._warehouse.look_up(effect.boxes, effect.epochs)
            else:
                answer = Committed(self._warehouse.commit(effect.work))
        except WarehouseAway as fault:
            if not self._away:
                log.warning("event=warehouse-away error=%r", str(fault))
            self._away = True
            return Failed(str(fault))
        if self._away:
            log.info("event=warehouse-back")
        self._away, self._pause = False, 0.0
        return answer

    async def _rest(self, seconds: float) -> None:
        """Sleeps, unless told to stop."""
        if seconds:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), min(seconds, LONGEST_PAUSE_S))


def main(data: Path, mqtt: str | None) -> int:
    """One worker, until SIGTERM or SIGINT; mqtt: URL of a broker to read from instead of our own. Raises DataError."""
    logging.basicConfig(level=logging.INFO, format="level=%(levelname)s part=ingest %(message)s")
    tune()
    place = Data(data)
    settings, keyring = place.settings(), keys.load(place)
    url, dsn = mqtt or headquarters.broker(place).url, headquarters.database(place).dsn()

    async def work() -> None:
        worker = Worker(url, place.tls, settings.topic_root, keyring, dsn, settings.generation, place.replay_file)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stopping.set)
        await worker.run()

    asyncio.run(work())
    return Exit.DONE


def tune() -> None:
    """Makes this process one of ingest's."""
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)  # what a transaction makes has no cycles; looking for them takes a tenth of it


def _pieces(messages: Iterable[Message]) -> Iterator[tuple[Message, ...]]:
    """In their order, each of about a full batch's bytes."""
    piece: list[Message] = []
    size = 0
    for message in messages:
        piece.append(message)
        size += len(message.payload)
        if size >= MAX_SIZE // 2:
            yield tuple(piece)
            piece, size = [], 0
    if piece:
        yield tuple(piece)


def _empty(asked: Asked) -> None:
    while not asked.empty():
        asked.get_nowait()
        asked.task_done()


def _report(core: Core) -> None:
    counts = " ".join(
        f"{name.replace(': ', '-').replace(' ', '-')}={count}" for name, count in sorted(core.counts.items())
    )
    if counts:
        log.info("event=counts %s", counts)


def _now() -> datetime:
    return datetime.now(UTC)
