"""The Seal port from a seed: the product's own ciphers under seeded keys and nonces.

HPKE draws its own randomness, so a keyed mask stands for it; it still binds the key to the header's every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from random import Random
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.seal.dictionary import Zstd
from cloud_sync.seal.epoch_key import NONCE, EpochKey
from cloud_sync.seal.hpke import OpeningKey, RecipientKey, SealError
from cloud_sync.wire import batch as wire_batch
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.epoch import EpochHeader, EpochIdentity
from edge_agent.recorder.epochs import microseconds
from records import Lane

Number = tuple[bytes, Lane, int]  # epoch, lane, seq


class Violation(AssertionError):
    """A promise was broken. The message begins with its name."""


class MaskingKey(RecipientKey):
    """To whom epoch keys are sealed, without randomness."""

    def seal(self, secret: bytes | bytearray, info: bytes) -> bytes:
        mask = sha256(self.raw + info).digest()
        return bytes(a ^ b for a, b in zip(secret, mask, strict=True)) + sha256(mask + secret).digest()[:8]


class UnmaskingKey(OpeningKey):
    """Headquarters' half of it."""

    @property
    def public(self) -> RecipientKey:
        return MaskingKey(self.raw)

    def open(self, sealed: bytes, info: bytes) -> bytes:
        mask = sha256(self.raw + info).digest()
        secret = bytes(a ^ b for a, b in zip(sealed[:32], mask, strict=True))
        if sha256(mask + secret).digest()[:8] != sealed[32:]:
            raise SealError("sealed for another key, or changed since")
        return secret


class Watch:
    """Sees every seal of the world. frames: what was sealed under each number, compressed."""

    def __init__(self) -> None:
        self.frames: dict[Number, tuple[int, bytes]] = {}
        self._nonces: set[tuple[bytes, str, bytes]] = set()

    def row(self, number: Number, type_id: int, frame: bytes, sealed: bytes) -> None:
        if number in self.frames:
            raise Violation(f"number given twice: {number[0].hex()[:8]} {number[1].name} {number[2]}")
        self.frames[number] = (type_id, frame)
        self._nonce(number[0], "rows", sealed[:NONCE])

    def batch(self, epoch: bytes, payload: bytes) -> None:
        self._nonce(epoch, "batches", wire_batch.parse(payload)[1][:NONCE])

    def _nonce(self, epoch: bytes, key: str, nonce: bytes) -> None:
        if (epoch, key, nonce) in self._nonces:
            raise Violation(f"nonce twice under the key of {key} of epoch {epoch.hex()[:8]}")
        self._nonces.add((epoch, key, nonce))


class WatchedKey(EpochKey):
    """An epoch's key under `watch`."""

    def __init__(self, epoch: bytes, secret: bytes, watch: Watch) -> None:
        super().__init__(epoch, secret)
        self._watch = watch

    def seal_row(self, lane: Lane, seq: int, type_id: int, frame: bytes, random: Callable[[int], bytes]) -> bytes:
        sealed = super().seal_row(lane, seq, type_id, frame, random)
        self._watch.row((self.epoch, lane, seq), type_id, frame, sealed)
        return sealed

    def seal_batch(
        self, lane: Lane, first: int, records: list[tuple[int, bytes]], zstd: Zstd, random: Callable[[int], bytes]
    ) -> bytes:
        payload = super().seal_batch(lane, first, records, zstd, random)
        self._watch.batch(self.epoch, payload)
        return payload


class BoxKeys(NamedTuple):
    """Who a box is."""

    store: str
    box: str
    key: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> bytes:
        return sha256(self.public).digest()


class WorldSeal:
    """The `Seal` of one life of a machine. opened: told of every epoch."""

    def __init__(
        self, keys: BoxKeys, recipient: RecipientKey, random: Random, watch: Watch, opened: Callable[[bytes], None]
    ) -> None:
        self._keys = keys
        self._recipient = recipient
        self._random = random
        self._watch = watch
        self._opened = opened
        self.boot = self.random(16)

    def random(self, size: int) -> bytes:
        return self._random.randbytes(size)

    @property
    def public(self) -> Ed25519PublicKey:
        return self._keys.key.public_key()

    def open_epoch(
        self, stream: bytes, previous: bytes, first: Mapping[Lane, int], at: datetime
    ) -> tuple[EpochKey, EpochHeader]:
        numbers = (first[Lane.VITAL], first[Lane.NORMAL], first[Lane.BULK])
        who = (self._keys.fingerprint, self._keys.store, self._keys.box)
        identity = EpochIdentity(stream, self.random(16), previous, self.boot, microseconds(at), numbers, *who)
        self._opened(identity.epoch)
        key = WatchedKey(identity.epoch, self.random(32), self._watch)
        return key, wire_epoch.sign(identity, key.sealed_for(identity, [self._recipient]), self._keys.key)
