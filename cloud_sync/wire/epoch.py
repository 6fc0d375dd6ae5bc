"""The header of an epoch: who opened it, where its numbers begin, and its key, sealed to HQ.

    4   "SEE1"
    1   suite              1: HPKE with ML-KEM-768 + X25519, HKDF-SHA256, AES-256-GCM; rows and batches AES-256-GCM
    16  stream
    16  epoch
    16  previous           the epoch before in this stream; zeros for its first
    16  boot               the kernel's boot id
    8   opened             microseconds since the Unix epoch, signed
    24  first              the first number of each lane (vital, normal, bulk), 8 bytes each
    32  fingerprint        SHA-256 of the box's Ed25519 public key
    1+n store              length, then the name in ASCII
    1+n box
    1   recipients         how many follow, at least one, each:
          8   key id       the first 8 bytes of the SHA-256 of the recipient's public key
          2+n sealed key   length, then HPKE enc and ciphertext of the 32-byte epoch key
    64  signature          Ed25519 of the box's key over "store-edge epoch 1\\0" and everything before

The HPKE info of every sealed key is "store-edge epoch key 1\\0" and the header up to and with the box's name.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.wire.reader import Reader, WireError

MAGIC = b"SEE1"
SUITE = 1
NO_EPOCH = bytes(16)
MAX_SIZE = 16_384
INFO_DOMAIN = b"store-edge epoch key 1\0"
_SIGN_DOMAIN = b"store-edge epoch 1\0"
_FIXED = Struct(">B16s16s16s16sqQQQ32s")
_SEALED = Struct(">8sH")


class EpochIdentity(NamedTuple):
    """What an epoch is, before its key is sealed. `first`: the first number of each lane."""

    stream: bytes
    epoch: bytes
    previous: bytes
    boot: bytes
    opened_us: int
    first: tuple[int, int, int]
    fingerprint: bytes
    store: str
    box: str

    def to_bytes(self) -> bytes:
        """The header up to and with the box's name."""
        fixed = _FIXED.pack(
            SUITE, self.stream, self.epoch, self.previous, self.boot, self.opened_us, *self.first, self.fingerprint
        )
        return MAGIC + fixed + _name(self.store) + _name(self.box)


class EpochHeader(NamedTuple):
    """A signed header. `sealed`: the epoch key for each recipient, by key id; `raw`: all its bytes."""

    identity: EpochIdentity
    sealed: dict[bytes, bytes]
    raw: bytes

    def info(self) -> bytes:
        """The HPKE info of its sealed keys."""
        return INFO_DOMAIN + self.identity.to_bytes()

    def verify(self, key: Ed25519PublicKey) -> None:
        """`WireError` unless `key` signed this header."""
        try:
            key.verify(self.raw[-64:], _SIGN_DOMAIN + self.raw[:-64])
        except InvalidSignature:
            raise WireError("epoch header: the box's signature does not match") from None


def sign(identity: EpochIdentity, sealed: dict[bytes, bytes], key: Ed25519PrivateKey) -> EpochHeader:
    """The header, signed by the box."""
    body = identity.to_bytes() + bytes([len(sealed)])
    for key_id, blob in sealed.items():
        body += _SEALED.pack(key_id, len(blob)) + blob
    return EpochHeader(identity, sealed, body + key.sign(_SIGN_DOMAIN + body))


def parse(raw: bytes) -> EpochHeader:
    """The header in `raw`, its signature not yet verified; `WireError` when malformed."""
    if len(raw) > MAX_SIZE:
        raise WireError(f"epoch header: {len(raw)} bytes, at most {MAX_SIZE}")
    reader = Reader(raw, "epoch header")
    reader.magic(MAGIC)
    suite, stream, epoch, previous, boot, opened, *first, fingerprint = reader.unpack(_FIXED)
    if suite != SUITE:
        raise WireError(f"epoch header: suite {suite} is unknown")
    store, box = _read_name(reader), _read_name(reader)
    sealed = {}
    for _ in range(reader.take(1)[0]):
        key_id, length = reader.unpack(_SEALED)
        sealed[key_id] = reader.take(length)
    reader.take(64)
    reader.end()
    identity = EpochIdentity(
        stream, epoch, previous, boot, opened, (first[0], first[1], first[2]), fingerprint, store, box
    )
    return EpochHeader(identity, sealed, raw)


def _name(name: str) -> bytes:
    encoded = name.encode("ascii")
    return bytes([len(encoded)]) + encoded


def _read_name(reader: Reader) -> str:
    try:
        return reader.take(reader.take(1)[0]).decode("ascii")
    except UnicodeDecodeError:
        raise WireError("epoch header: a name is not ASCII") from None
