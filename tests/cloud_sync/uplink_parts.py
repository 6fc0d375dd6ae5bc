"""What the uplink's tests share: an HQ that signs, parcels, an outbox in memory, an uplink to begin with."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.uplink.core import Uplink
from cloud_sync.uplink.hearing import Pin
from cloud_sync.uplink.messages import (
    Connect,
    Downlink,
    Effect,
    Fetch,
    Fetched,
    LinkUp,
    Parcel,
    Publish,
    ResetSession,
    Tick,
)
from cloud_sync.uplink.settings import Settings
from cloud_sync.wire import certificate
from cloud_sync.wire.batch import MAX_SIZE
from cloud_sync.wire.certificate import Usage
from cloud_sync.wire.downlink import Kind, Message, Order, Receipt, Signer
from cloud_sync.wire.topics import Up
from records import Lane

ROOT = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
KEY = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
FINGERPRINT = sha256(b"this box").digest()
PIN = Pin(ROOT.public_key(), FINGERPRINT, lowest=3)


def signer(root: Ed25519PrivateKey, usage: Usage, serial: int, lowest: int) -> Signer:
    return Signer(KEY, certificate.issue(root, usage, serial, lowest, KEY.public_key()))


RECEIPTS = signer(ROOT, Usage.RECEIPTS, 5, 3)
OPERATIONS = signer(ROOT, Usage.OPERATIONS, 5, 3)


def word(kind: Kind, body: Message) -> bytes:
    """HQ's word to this box."""
    by = OPERATIONS if isinstance(body, Order) else RECEIPTS
    return by.seal(kind, body, FINGERPRINT)


def receipt(parcels: Iterable[Parcel], at_us: int) -> bytes:
    return word(Kind.RECEIPT, Receipt(at_us, b"".join(parcel.prefix for parcel in parcels)))


def parcel(what: Up, payload: bytes) -> Parcel:
    return Parcel(sha256(payload).digest(), what, payload)


def batch(number: int, size: int = 100) -> Parcel:
    return parcel(Up.BATCH, b"B%06d" % number + bytes(size - 7))


def header(epoch: int) -> Parcel:
    return parcel(Up.EPOCH, b"E" + epoch.to_bytes(16))


class MemoryOutbox:
    """The port `Outbox` over a list; headers first, oldest first."""

    def __init__(self, parcels: Iterable[Parcel]) -> None:
        self.held = {parcel.prefix: parcel for parcel in parcels}
        self.all_headers = {each.payload[1:]: each for each in self.held.values() if each.what is Up.EPOCH}
        self.reasons: list[str] = []

    def add(self, fresh: Parcel) -> None:
        self.held[fresh.prefix] = fresh

    def fetch(self, wanted: Fetch) -> Fetched:
        free = (each for each in self.held.values() if each.digest not in wanted.skip and each.lane in wanted.lanes)
        found = [each for each in free if each.what is Up.EPOCH or len(each.payload) <= wanted.most]
        return Fetched(tuple(sorted(found, key=lambda each: each.what is not Up.EPOCH)[: wanted.backlog]))

    def headers(self, epochs: list[bytes]) -> list[Parcel]:
        return [self.all_headers[epoch] for epoch in epochs if epoch in self.all_headers]

    def receipted(self, prefixes: tuple[bytes, ...]) -> None:
        for prefix in prefixes:
            self.held.pop(prefix, None)

    def refused(self, prefixes: tuple[bytes, ...], why: str) -> None:
        self.reasons.append(why)
        self.receipted(prefixes)


SETTINGS = Settings(parcels=6, headers=2, share=0, spread_s=0.0)
ALL = frozenset(Lane)


def started(settings: Settings = SETTINGS) -> Uplink:
    """An uplink whose first session is up since second 0 and that waits for the answer to its first `Fetch`."""
    core = Uplink(PIN, settings, Random(1))
    assert core.step(Tick(), 0.0) == [Connect(1, 0)]
    assert core.step(LinkUp(1), 0.0) == [asked(settings.shared_parcels, None)]
    return core


def asked(room: int, since: int | None, skip: Iterable[Parcel] = ()) -> Fetch:
    """What an uplink asks of the disk when it has room for so many batches of either kind."""
    return Fetch(frozenset(each.digest for each in skip), room, room, since, ALL, MAX_SIZE)


def sending(*parcels: Parcel, settings: Settings = SETTINGS) -> Uplink:
    """The same with these parcels in flight since second 0 and an empty disk."""
    core = started(settings)
    effects = core.step(Fetched(parcels), 0.0)
    assert publishes(effects) == list(parcels)
    if any(isinstance(effect, Fetch) for effect in effects):
        core.step(Fetched(()), 0.0)
    return core


def publishes(effects: list[Effect]) -> list[Parcel]:
    return [parcel(effect.what, effect.payload) for effect in effects if isinstance(effect, Publish)]


def heard(core: Uplink, raw: bytes, now: float) -> list[Effect]:
    return core.step(Downlink(raw, 1_000_000), now)


def run_until(core: Uplink, start: float, end: float) -> list[tuple[float, Effect]]:
    """What happens by time alone, the disk being empty."""
    happened: list[tuple[float, Effect]] = []
    now = start
    while (now := max(now, core.due(now))) < end:
        effects = core.step(Tick(), now)
        happened += [(now, effect) for effect in effects]
        if any(isinstance(effect, Fetch) for effect in effects):
            assert core.step(Fetched(()), now) == []
        if not any(isinstance(effect, ResetSession) for effect in effects):
            assert core.due(now) > now, f"busy at {now} after {effects}"
    return happened
