"""HQ's own stream of what boxes send, and the durable consumer that all ingest workers share.

Limits retention, so that it can be replayed for 72 hours; when it is full the oldest goes, since a box sends again what
has no receipt. Made before the first box connects: what is published before that is kept by nobody but the box.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

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


async def ensure_stream(js: JetStreamContext, topic_root: str) -> None:
    """Makes the stream and its consumer, or brings those that exist to these settings. Repeatable."""
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


async def take_again(js: JetStreamContext, topic_root: str) -> None:
    """Everything that the stream still holds is delivered once more: a restored ledger may lack it."""
    with suppress(NotFoundError):
        await js.delete_consumer(STREAM, CONSUMER)
    await ensure_stream(js, topic_root)


def worker_tls(tls: Path) -> ssl.SSLContext:
    """How HQ's workers present themselves to the broker; `tls` is the data directory's (ca.crt, hq.crt, hq.key)."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls / "ca.crt")
    context.load_cert_chain(tls / "hq.crt", tls / "hq.key")
    return context
