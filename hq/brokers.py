"""Where ingest's messages come from: one connection to a broker of either family.

`tls://host:port` is a NATS server with our stream (`hq.stream`), `mqtts://host:port` any broker of MQTT 3.1.1 that has
shared subscriptions. A token is whatever the source needs to acknowledge its message.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import Error as StreamError

from cloud_sync.ingest.judge import Message
from hq.pull import Puller
from hq.shared_subscription import MqttSource
from hq.stream import ANSWER_S, ensure_stream, take_again, worker_tls

AWAY = (nats.errors.Error, StreamError, OSError)  # what a source raises once its broker is away
log = logging.getLogger(__name__)


class Source(Protocol):
    """One connection. Every method may raise what `AWAY` holds; what was taken then comes again on the next."""

    @property
    def connected(self) -> bool: ...

    async def next(self) -> list[Message]:
        """Waits a moment for a message; takes with it what else has come."""

    async def send(self, topic: str, payload: bytes) -> None: ...

    async def acknowledge(self, tokens: Iterable[object]) -> None: ...

    async def give_back(self, tokens: Iterable[object], delay_s: float) -> None:
        """They come again after the delay, here or elsewhere."""

    async def take_again(self) -> None:
        """Everything that the broker still holds comes once more: a restored ledger may lack it."""

    async def close(self) -> None: ...


class NatsSource:
    """The stream's durable consumer, which all workers share."""

    def __init__(self, connection: Client, root: str) -> None:
        self._connection = connection
        self._root = root
        self._puller = Puller(connection)

    @property
    def connected(self) -> bool:
        return self._connection.is_connected

    async def next(self) -> list[Message]:
        return [Message(msg.subject.replace(".", "/"), msg.data, msg) for msg in await self._puller.next()]

    async def send(self, topic: str, payload: bytes) -> None:
        await self._connection.publish(topic.replace("/", "."), payload)

    async def acknowledge(self, tokens: Iterable[object]) -> None:
        for token in tokens:
            await _message(token).ack()

    async def give_back(self, tokens: Iterable[object], delay_s: float) -> None:
        for token in tokens:
            await _message(token).nak(delay=delay_s)

    async def take_again(self) -> None:
        await take_again(self._connection, self._root)
        self._puller = Puller(self._connection)

    async def close(self) -> None:
        with suppress(nats.errors.Error, OSError):
            await self._connection.close()


async def connect(url: str, tls: Path, root: str) -> Source:
    """tls: the folder of ca.crt, hq.crt and hq.key; root: of the topics. Raises what `AWAY` holds."""
    if url.startswith("mqtts://"):
        return await MqttSource.connect(url, worker_tls(tls), root)
    connection = await nats.connect(
        url,
        tls=worker_tls(tls),
        connect_timeout=ANSWER_S,
        allow_reconnect=False,  # and still it tries this often before its first connection
        max_reconnect_attempts=1,
        reconnect_time_wait=0.1,
        error_cb=_heard,
    )
    source = NatsSource(connection, root)
    try:
        await ensure_stream(connection, root)
    except AWAY:
        await source.close()
        raise
    return source


async def _heard(fault: Exception) -> None:
    """What nats-py meets in the background; the loop notices the broken connection by itself."""
    log.debug("event=broker-error error=%s", type(fault).__name__)


def _message(token: object) -> Msg:
    if not isinstance(token, Msg):
        raise TypeError("a token is the broker's message")
    return token
