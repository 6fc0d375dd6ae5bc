"""Opening an epoch: a fresh key, sealed to HQ's recipients in a header that the box signs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.seal.epoch_key import EpochKey
from cloud_sync.seal.hpke import RecipientKey
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.epoch import EpochHeader, EpochIdentity
from records import Lane

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(at: datetime) -> int:
    """Microseconds since the Unix epoch."""
    return (at - _UNIX) // timedelta(microseconds=1)


class Seal(Protocol):
    """Opens epochs. `random`: n bytes from the operating system."""

    def open_epoch(
        self, stream: bytes, previous: bytes, first: Mapping[Lane, int], at: datetime
    ) -> tuple[EpochKey, EpochHeader]: ...

    def random(self, size: int) -> bytes: ...

    @property
    def public(self) -> Ed25519PublicKey:
        """By which the box's own headers are known again."""
        ...


class BoxSeal(NamedTuple):
    """The box's own: its signing key and HQ's recipients. boot: the kernel's boot id."""

    store: str
    box: str
    boot: bytes
    key: Ed25519PrivateKey
    recipients: list[RecipientKey]

    def random(self, size: int) -> bytes:
        return os.urandom(size)

    @property
    def public(self) -> Ed25519PublicKey:
        return self.key.public_key()

    def open_epoch(
        self, stream: bytes, previous: bytes, first: Mapping[Lane, int], at: datetime
    ) -> tuple[EpochKey, EpochHeader]:
        identity = EpochIdentity(
            stream,
            os.urandom(16),
            previous,
            self.boot,
            microseconds(at),
            (first[Lane.VITAL], first[Lane.NORMAL], first[Lane.BULK]),
            sha256(self.public.public_bytes_raw()).digest(),
            self.store,
            self.box,
        )
        key = EpochKey(identity.epoch, os.urandom(32))
        sealed = key.sealed_for(identity, self.recipients)
        key.forget_secret()
        return key, wire_epoch.sign(identity, sealed, self.key)
