"""HQ's own stream of what boxes send, and the durable consumer that all ingest workers share.

Limits retention, so that it can be replayed for 72 hours; when it is full the oldest goes, since a box sends again what
has no receipt. Made before the first box connects: what is published before that is kept by nobody but the box.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

STREAM = "UP"
CONSUMER = "ingest"
KEPT_S = 72 * 3600
MAX_BYTES = 32_000_000_000
ACK_WAIT_S = 30.0
MAX_ACK_PENDING = 10_000
ANSWER_S = 60  # that a broker may take to let a worker in or to answer, on a machine whose disk is busy


def jetstream(connection: Client) -> JetStreamContext:
    """Of a connection, with time to answer."""
    return connection.jetstream(timeout=ANSWER_S)


async def ensure_stream(connection: Client, topic_root: str) -> None:
    """Makes the stream and its consumer, or brings those that exist to these settings. Repeatable."""
    js = jetstream(connection)
    stream = StreamConfig(
        name=STREAM,
        subjects=[f"{topic_root}.*.*.up.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=KEPT_S,
        max_bytes=MAX_BYTES,
    )
    try:
        await js.update_stream(stream)
    except NotFoundError:
        await js.add_stream(stream)
    await js.add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=CONSUMER,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=MAX_ACK_PENDING,
        ),
    )


async def take_again(connection: Client, topic_root: str) -> None:
    """Everything that the stream still holds is delivered once more: a restored ledger may lack it."""
    with suppress(NotFoundError):
        await jetstream(connection).delete_consumer(STREAM, CONSUMER)
    await ensure_stream(connection, topic_root)


def worker_tls(tls: Path) -> ssl.SSLContext:
    """How HQ's workers present themselves to the broker; `tls` is the data directory's (ca.crt, hq.crt, hq.key)."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls / "ca.crt")
    context.load_cert_chain(tls / "hq.crt", tls / "hq.key")
    return context
