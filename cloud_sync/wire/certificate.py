"""A signing key of HQ, certified by its offline root.

4  "SEC1"
1  usage       1 receipts, 2 operations
4  serial
4  lowest      the lowest serial that boxes still accept; they keep the highest they have seen
32 key         Ed25519 public key
64 signature   Ed25519 of the root over "store-edge key 1\\0" and everything before
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.wire.reader import Reader, WireError

MAGIC = b"SEC1"
DOMAIN = b"store-edge key 1\0"
SIZE = 109
_HEAD = Struct(">BII")


class Usage(IntEnum):
    """What a certified key may sign: receipts and their kin, or commands and configuration."""

    RECEIPTS = 1
    OPERATIONS = 2


class KeyCertificate(NamedTuple):
    """A certified key. `raw`: the 109 bytes that prove it."""

    usage: Usage
    serial: int
    lowest: int
    key: bytes
    raw: bytes

    def public_key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.key)


def issue(root: Ed25519PrivateKey, usage: Usage, serial: int, lowest: int, key: Ed25519PublicKey) -> KeyCertificate:
    """A certificate for `key`, signed by the root."""
    body = MAGIC + _HEAD.pack(usage, serial, lowest) + key.public_bytes_raw()
    return KeyCertificate(usage, serial, lowest, key.public_bytes_raw(), body + root.sign(DOMAIN + body))


def verify(raw: bytes, root: Ed25519PublicKey) -> KeyCertificate:
    """The certificate in `raw`; `WireError` when it is malformed or not signed by `root`."""
    found = parse(raw)
    try:
        root.verify(raw[-64:], DOMAIN + raw[:-64])
    except InvalidSignature:
        raise WireError("key certificate: not signed by the pinned root") from None
    return found


def parse(raw: bytes) -> KeyCertificate:
    """The certificate in `raw`, its signature not yet verified; `WireError` when malformed."""
    reader = Reader(raw, "key certificate")
    reader.magic(MAGIC)
    usage, serial, lowest = reader.unpack(_HEAD)
    key = reader.take(32)
    reader.take(64)
    reader.end()
    try:
        return KeyCertificate(Usage(usage), serial, lowest, key, raw)
    except ValueError:
        raise WireError(f"key certificate: usage {usage} is unknown") from None
