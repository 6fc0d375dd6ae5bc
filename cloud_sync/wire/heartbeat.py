"""What a box says about itself, signed by its key: heartbeat, last will, answer to a command.

    4   "SEA1"
    1   kind        1 heartbeat, 2 last will, 3 answer
    64  signature   Ed25519 of the box's key over "store-edge box 1\\0", the kind and the body
    body            a MessagePack map

The broker publishes the last will for a box that vanished; it names the session it belongs to, so a stale one is told
from the newest.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.wire.reader import Reader, WireError

MAGIC = b"SEA1"
MAX_SIZE = 65_536
_DOMAIN = b"store-edge box 1\0"


class Said(IntEnum):
    """Which of a box's own messages."""

    HEARTBEAT = 1
    WILL = 2
    ANSWER = 3


class LaneState(msgspec.Struct, frozen=True, omit_defaults=True):
    """One lane of a stream. accepted, cut: highest numbers; rows, bytes: what has no receipt; oldest_s: its age."""

    accepted: int = 0
    cut: int = 0
    rows: int = 0
    bytes: int = 0
    oldest_s: int | None = None


class DeviceState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device as its supervisor sees it. age_s: since its last reading; reason: why it is down."""

    id: str
    driver: str
    state: str
    age_s: int | None = None
    reason: str | None = None
    today: int = 0


class LinkState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the box reaches HQ. name: of the link; up_s: age of the session

    sent, received: bytes since the agent's start with everything around them; month: bytes of this month where the
    link is metered; resends: parcels sent again; in_flight: parcels that wait for a receipt
    fault: what is wrong though the link is up: `no-receipts`, `late-receipts`, `sessions-break`, `too-large`
    most: bytes of the largest batch that is sent, where larger ones stay at the box
    """

    name: str
    up_s: int = 0
    sent: int = 0
    received: int = 0
    month: int | None = None
    resends: int = 0
    in_flight: int = 0
    fault: str = ""
    most: int | None = None


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of a box. Times in microseconds since the Unix epoch, lanes in the order vital, normal, bulk.

    session: counts the box's connections, rising for ever; seq: counts heartbeats of the session
    full: whether it has the parts that only the full heartbeat has (devices, disk, memory)
    clock: `records.ClockQuality`; skew_ms: box minus HQ by the last receipt
    earlier: streams before this one that are still held
    interval_s: seconds between heartbeats; link: how the box reaches HQ
    hours_left: until the buffer must let go of something unsent, at the present rate; None where that is unknown
    """

    store: str
    box: str
    session: int
    seq: int
    at_us: int
    version: str
    stream: bytes
    epoch: bytes
    boot: bytes
    lanes: tuple[LaneState, ...]
    config_hash: str = ""
    clock: int = 0
    skew_ms: int | None = None
    full: bool = False
    started_us: int = 0
    devices: tuple[DeviceState, ...] = ()
    quarantined: int = 0
    disk_free: int | None = None
    memory: int | None = None
    buffer_bytes: int | None = None
    last_receipt_us: int | None = None
    earlier: tuple[bytes, ...] = ()
    interval_s: int = 60
    hours_left: int | None = None
    link: LinkState | None = None


class Will(msgspec.Struct, frozen=True):
    """Published by the broker when the session it names broke."""

    store: str
    box: str
    session: int


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of what HQ asked of a box; sent at once, and again when HQ asks again.

    order: (generation, counter) of the order that it answers, absent when it answers a re-send
    done: whether the order was carried out; why: if not, for people
    not_held: of a re-send, what the box does not have: (stream, epoch, lane, first, last), epoch as HQ named it
    """

    store: str
    box: str
    at_us: int
    order: tuple[int, int] | None = None
    done: bool = True
    why: str = ""
    not_held: tuple[tuple[bytes, bytes, int, int, int], ...] = ()


Presence = Heartbeat | Will
Body = Heartbeat | Will | Answer
_SHAPES: dict[int, type[Body]] = {Said.HEARTBEAT: Heartbeat, Said.WILL: Will, Said.ANSWER: Answer}
KINDS: dict[type[Body], Said] = {shape: Said(kind) for kind, shape in _SHAPES.items()}


def sign(body: Body, key: Ed25519PrivateKey) -> bytes:
    """The message as it goes over the wire."""
    kind = bytes([KINDS[type(body)]])
    packed = msgspec.msgpack.encode(body)
    return MAGIC + kind + key.sign(_DOMAIN + kind + packed) + packed


def verify(raw: bytes, key: Ed25519PublicKey) -> Body:
    """The message in `raw`; `WireError` when it is malformed or not signed by `key`. Unknown fields are ignored."""
    if len(raw) > MAX_SIZE:
        raise WireError(f"heartbeat: {len(raw)} bytes, at most {MAX_SIZE}")
    reader = Reader(raw, "heartbeat")
    reader.magic(MAGIC)
    kind, signature, body = reader.take(1), reader.take(64), reader.rest()
    try:
        key.verify(signature, _DOMAIN + kind + body)
    except InvalidSignature:
        raise WireError("heartbeat: the box's signature does not match") from None
    if kind[0] not in _SHAPES:
        raise WireError(f"heartbeat: kind {kind[0]} is unknown")
    try:
        return msgspec.msgpack.decode(body, type=_SHAPES[kind[0]])
    except msgspec.DecodeError as fault:
        raise WireError(f"heartbeat: {fault}") from None
