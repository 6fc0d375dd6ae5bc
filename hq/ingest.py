"""`edge-hq ingest`: carries out what the core asks for, between the broker and the database.

Any number of workers share the stream's consumer. A worker may be killed at any moment: what it had not acknowledged
comes to another one, and what it had committed is found committed. Without broker or database it waits, ever longer up
to half a minute, and says so once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import Error as StreamError

from cloud_sync.ingest import Core
from cloud_sync.ingest.core import Acknowledge, Arrived, Commit, Committed, Effect, Event, Failed, LookUp, Send
from cloud_sync.ingest.judge import Message
from cloud_sync.ingest.work import Known, WarehouseAway
from hq import headquarters, keys
from hq.data import Data
from hq.exits import Exit
from hq.pull import Puller
from hq.stream import ensure_stream, worker_tls
from hq.warehouse.postgres import PostgresWarehouse

LONGEST_PAUSE_S = 30.0
REPORT_S = 60.0
log = logging.getLogger(__name__)


class Worker:
    """url, tls: of the broker; root: of the topics; dsn: of a migrated database."""

    def __init__(self, url: str, tls: Path, root: str, keyring: keys.Keyring, dsn: str) -> None:
        self._url = url
        self._tls = tls
        self._root = root
        self._keyring = keyring
        self._warehouse = PostgresWarehouse(dsn)
        self._away = False
        self._pause = 0.0
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stopping` is set."""
        pause = 0.5
        while not self.stopping.is_set():
            try:
                await self._connected()
                pause = 0.5
            except (nats.errors.Error, StreamError, OSError) as fault:
                log.warning("event=broker-away error=%s retry_s=%g", type(fault).__name__, pause)
                await self._rest(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
        await asyncio.to_thread(self._warehouse.close)

    async def _connected(self) -> None:
        """One connection to the broker, until it breaks; what was under way comes again on the next."""
        connection = await nats.connect(
            self._url,
            tls=worker_tls(self._tls),
            connect_timeout=5,
            allow_reconnect=False,  # and still it tries this often before its first connection
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            error_cb=_heard,
        )
        try:
            await ensure_stream(connection.jetstream(), self._root)
            log.info("event=broker-connected")
            await self._serve(connection)
        finally:
            with suppress(nats.errors.Error, OSError):
                await connection.close()

    async def _serve(self, connection: Client) -> None:
        core = Core(self._root, self._keyring.opening, self._keyring.receipts)
        puller = Puller(connection)
        told = _now()
        while not self.stopping.is_set() and connection.is_connected:
            messages = await puller.next()
            if messages:
                arrived = Arrived(tuple(Message(msg.subject.replace(".", "/"), msg.data, msg) for msg in messages))
                await self._carry_out(connection, core, core.step(arrived, _now()))
            await self._rest(self._pause)
            if (_now() - told).total_seconds() > REPORT_S and core.counts:
                told = _now()
                _report(core)
        _report(core)

    async def _carry_out(self, connection: Client, core: Core, effects: Iterable[Effect]) -> None:
        """Until nothing is left to do."""
        waiting = deque(effects)
        while waiting:
            effect = waiting.popleft()
            if isinstance(effect, LookUp | Commit):
                waiting.extend(core.step(await asyncio.to_thread(self._ask, effect), _now()))
            elif isinstance(effect, Send):
                await connection.publish(f"{self._root}.{effect.store}.{effect.box}.down", effect.envelope)
            elif isinstance(effect, Acknowledge):
                for token in effect.tokens:
                    await _message(token).ack()
            else:
                for token in effect.tokens:
                    await _message(token).nak(delay=effect.delay_s)
                self._pause = effect.delay_s

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


def main(data: Path) -> int:
    """One worker, until SIGTERM or SIGINT. Raises DataError."""
    logging.basicConfig(level=logging.INFO, format="level=%(levelname)s part=ingest %(message)s")
    place = Data(data)
    settings, keyring = place.settings(), keys.load(place)
    url, dsn = headquarters.broker(place).url, headquarters.database(place).dsn()

    async def work() -> None:
        worker = Worker(url, place.tls, settings.topic_root, keyring, dsn)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stopping.set)
        await worker.run()

    asyncio.run(work())
    return Exit.DONE


async def _heard(fault: Exception) -> None:
    """What nats-py meets in the background; the loop notices the broken connection by itself."""
    log.debug("event=broker-error error=%s", type(fault).__name__)


def _report(core: Core) -> None:
    counts = " ".join(
        f"{name.replace(': ', '-').replace(' ', '-')}={count}" for name, count in sorted(core.counts.items())
    )
    if counts:
        log.info("event=counts %s", counts)


def _message(token: object) -> Msg:
    if not isinstance(token, Msg):
        raise TypeError("a token is the broker's message")
    return token


def _now() -> datetime:
    return datetime.now(UTC)
