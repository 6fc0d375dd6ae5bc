"""Takes messages from the stream's durable consumer as they come, many at a time.

Pull requests as the server documents them (docs.nats.io/reference/reference-protocols/nats_api_reference): one request
stands at a time; messages for it arrive by themselves, also while earlier ones are worked on, and a status message ends
it early.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from hq.stream import CONSUMER, STREAM

MESSAGES = 500
BYTES = 2_000_000  # what is taken is committed within the consumer's acknowledgement time
STANDS_S = 5.0
WAIT_S = 0.5


@dataclass
class Puller:
    """On one connection, which does not reconnect by itself."""

    connection: Client
    _inbox: str = ""
    _subscription: Subscription | None = None
    _wanted: int = 0
    _until: float = field(default=0.0)

    async def start(self) -> None:
        self._inbox = self.connection.new_inbox()
        self._subscription = await self.connection.subscribe(self._inbox)

    async def next(self) -> list[Msg]:
        """Waits a moment for a message; takes with it what else has come. Raises nats.errors.Error."""
        if self._subscription is None:
            await self.start()
        await self._request()
        taken: list[Msg] = []
        wait = WAIT_S
        while (message := await self._one(wait)) is not None:
            if message.header and "Status" in message.header:
                self._wanted = 0
                break
            taken.append(message)
            self._wanted -= 1
            wait = 0.001
        return taken

    async def _one(self, wait: float) -> Msg | None:
        assert self._subscription is not None  # noqa: S101
        try:
            return await self._subscription.next_msg(timeout=wait)
        except TimeoutError:
            return None

    async def _request(self) -> None:
        if self._wanted > 0 and time.monotonic() < self._until:
            return
        self._wanted, self._until = MESSAGES, time.monotonic() + STANDS_S + 1.0
        asked = {"batch": MESSAGES, "max_bytes": BYTES, "expires": int(STANDS_S * 1e9)}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{CONSUMER}"
        await self.connection.publish(subject, json.dumps(asked).encode(), self._inbox)
