"""HQ's offline root followed by another: a statement that the old root signed.

    4  "SES1"
    4  number      1 for the first successor, rising by one
    32 key         Ed25519 public key of the successor
    64 signature   Ed25519 of the root before it over "store-edge root 1\\0" and everything before

A box pins one root. Shown the chain of all successions it follows the links from the root that it pins to the last, so
that one which was away while the root changed twice still finds its way; a link that its root did not sign leads
nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.wire.reader import Reader, WireError

MAGIC = b"SES1"
DOMAIN = b"store-edge root 1\0"
SIZE = 104
MAX_LINKS = 64
_NUMBER = Struct(">I")


class Link(NamedTuple):
    """One succession. `raw`: the 104 bytes that prove it."""

    number: int
    key: bytes
    raw: bytes


def issue(old: Ed25519PrivateKey, number: int, successor: Ed25519PublicKey) -> Link:
    """The old root names its successor."""
    body = MAGIC + _NUMBER.pack(number) + successor.public_bytes_raw()
    return Link(number, successor.public_bytes_raw(), body + old.sign(DOMAIN + body))


def parse(raw: bytes) -> Link:
    """The link in `raw`, not yet verified; `WireError` when malformed."""
    reader = Reader(raw, "root succession")
    reader.magic(MAGIC)
    (number,) = reader.unpack(_NUMBER)
    key = reader.take(32)
    reader.take(64)
    reader.end()
    return Link(number, key, raw)


def follow(pinned: Ed25519PublicKey, links: Iterable[Link]) -> Ed25519PublicKey:
    """The root that the links lead to from the pinned one: itself where none is signed by it."""
    root = pinned
    for link in sorted(links, key=lambda one: one.number)[:MAX_LINKS]:
        try:
            root.verify(link.raw[-64:], DOMAIN + link.raw[:-64])
        except InvalidSignature:
            continue
        try:
            root = Ed25519PublicKey.from_public_bytes(link.key)
        except ValueError:
            raise WireError("root succession: the successor is no Ed25519 key") from None
    return root
