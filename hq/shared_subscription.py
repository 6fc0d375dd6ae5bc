"""Ingest from any MQTT 3.1.1 broker: a shared subscription of all workers, acknowledged by hand after the commit.

`$share/<group>/<filter>` is how Mosquitto, EMQX, HiveMQ and VerneMQ share a subscription among 3.1.1 clients too (the
syntax is MQTT 5's, 4.8.2). Sessions are clean: what a killed worker had not acknowledged the broker may drop, and the
boxes send again what has no receipt. MQTT knows no giving back, so what cannot be stored now waits here; unacknowledged
it fills the broker's window (`max_inflight_messages`) and so holds the flow up.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterable
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from cloud_sync.ingest.judge import Message
from hq.stream import ANSWER_S

GROUP = "ingest"
KEEPALIVE_S = 15
WAIT_S = 0.5
MESSAGES = 2_000
BYTES = 8_000_000
PORT = 8883


class Taken(NamedTuple):
    """A message that waits for its acknowledgement, by its packet identifier."""

    topic: str
    payload: bytes
    mid: int


class MqttSource:
    """One session. paho's thread only hands over to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext, root: str) -> None:
        self._loop = loop
        self._root = root
        self._came: asyncio.Queue[Taken] = asyncio.Queue()
        self._back: list[tuple[float, Taken]] = []
        self._opened: asyncio.Future[None] = loop.create_future()
        name = f"hq-ingest-{os.getpid()}-{os.urandom(4).hex()}"
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._client.tls_set_context(tls)
        self._client.connect_timeout = ANSWER_S
        self._client.max_queued_messages_set(0)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    @classmethod
    async def connect(cls, url: str, tls: ssl.SSLContext, root: str) -> Self:
        """url: `mqtts://host:port`. Raises OSError when the broker is away or grants no shared subscription."""
        parts = urlsplit(url)
        source = cls(asyncio.get_running_loop(), tls, root)
        await asyncio.to_thread(source._client.connect, parts.hostname or "", parts.port or PORT, KEEPALIVE_S)
        source._client.loop_start()
        try:
            await asyncio.wait_for(source._opened, ANSWER_S)
        except TimeoutError:
            await source.close()
            raise ConnectionError(f"{url} did not grant the shared subscription within {ANSWER_S} s") from None
        except OSError:
            await source.close()
            raise
        return source

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    async def next(self) -> list[Message]:
        """What was given back and is due, then what has come."""
        now = time.monotonic()
        taken = [one for due, one in self._back if due <= now]
        self._back = [(due, one) for due, one in self._back if due > now]
        if not taken:
            try:
                taken.append(await asyncio.wait_for(self._came.get(), WAIT_S))
            except TimeoutError:
                return []
        size = 0
        while not self._came.empty() and len(taken) < MESSAGES and size < BYTES:
            taken.append(self._came.get_nowait())
            size += len(taken[-1].payload)
        return [Message(one.topic, one.payload, one) for one in taken]

    async def send(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    async def acknowledge(self, tokens: Iterable[object]) -> None:
        for token in tokens:
            self._client.ack(_taken(token).mid, 1)

    async def give_back(self, tokens: Iterable[object], delay_s: float) -> None:
        due = time.monotonic() + delay_s
        self._back += [(due, _taken(token)) for token in tokens]

    async def take_again(self) -> None:
        """Nothing: such a broker keeps nothing that was acknowledged; the boxes' grace is all there is."""

    async def close(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    # --- in paho's thread ----------------------------------------------------------------------------------------

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: paho.ConnectFlags, code: ReasonCode, _: Properties | None
    ) -> None:
        if code.is_failure:
            self._open(ConnectionError(f"the broker refused the session: {code}"))
            return
        client.subscribe(f"$share/{GROUP}/{self._root}/+/+/up/#", qos=1)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, _mid: int, codes: list[ReasonCode], _: Properties | None
    ) -> None:
        refused = any(code.is_failure for code in codes)
        self._open(ConnectionError("the broker grants no shared subscription") if refused else None)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        one = Taken(message.topic, bytes(message.payload), message.mid)
        self._loop.call_soon_threadsafe(self._came.put_nowait, one)

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: paho.DisconnectFlags, code: ReasonCode, _: Properties | None
    ) -> None:
        self._open(ConnectionError(f"the broker closed the connection: {code}"))

    def _open(self, fault: OSError | None) -> None:
        def settle() -> None:
            if not self._opened.done():
                self._opened.set_exception(fault) if fault else self._opened.set_result(None)

        self._loop.call_soon_threadsafe(settle)


def _taken(token: object) -> Taken:
    if not isinstance(token, Taken):
        raise TypeError("a token is the message that was taken")
    return token
