"""What HQ sends down: one envelope, bound to one box, signed by a key that the offline root certified.

    4    "SED1"
    1    kind          1 receipt, 2 hold, 3 refusal, 4 pace, 5 re-send, 6 command, 7 configuration, 8 succession
    109  certificate   of the signing key (`cloud_sync.wire.certificate`)
    64   signature     Ed25519 over "store-edge down 1\\0", the kind, the SHA-256 of the box's public key, and the body
    body               a MessagePack array, by kind

Kinds 1 to 5 are signed by a receipts key and have no order: each says what is true, and losing one is healed by the
box sending again. Kinds 6 and 7 are signed by an operations key and carry (generation, counter), strictly rising.
Kind 8 leads from the root that a box pins to a later one: its certificate is of the root at the end of the links in its
body (`cloud_sync.wire.succession`), the signature a receipts key's; from then on the box pins that root.
A kind that a box does not know is ignored.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.wire import certificate, succession
from cloud_sync.wire.certificate import KeyCertificate, Usage
from cloud_sync.wire.reader import Reader, WireError

MAGIC = b"SED1"
MAX_SIZE = 65_536
DIGEST = 16
_DOMAIN = b"store-edge down 1\0"
ANY_EPOCH = bytes(16)  # in a re-send: HQ never saw the header of the epoch that these numbers are of

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(IntEnum):
    """What an envelope holds."""

    RECEIPT = 1
    HOLD = 2
    REFUSAL = 3
    PACE = 4
    RESEND = 5
    COMMAND = 6
    CONFIG = 7
    SUCCESSION = 8


class Command(StrEnum):
    """Names of orders of kind 6."""

    NEW_STREAM = "new-stream"
    """The box leaves the streams that the content names, 16 bytes each, and goes on in a new one, reason forked."""
    SEAL_TO = "seal-to"
    """From its next epoch on the box seals to the HPKE public keys in the content, 1,216 bytes each, and its escrow."""


class Receipt(msgspec.Struct, array_like=True, frozen=True):
    """These batches are committed. at_us: HQ's clock; digests: the first 16 bytes of each, one after the other."""

    at_us: int
    digests: bytes

    def each(self) -> list[bytes]:
        return _pieces(self.digests, DIGEST)


class Hold(msgspec.Struct, array_like=True, frozen=True):
    """HQ cannot open batches of these epochs yet: send their headers again. epochs: 16 bytes each."""

    at_us: int
    epochs: bytes

    def each(self) -> list[bytes]:
        return _pieces(self.epochs, 16)


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """These batches are dead letters at HQ and will never be stored. digests as in a receipt; why: for people."""

    at_us: int
    digests: bytes
    why: str

    def each(self) -> list[bytes]:
        return _pieces(self.digests, DIGEST)


class Pace(msgspec.Struct, array_like=True, frozen=True):
    """How fast the backlog may drain (0: as fast as it can), and over which span boxes spread their reconnects."""

    at_us: int
    bytes_per_s: int
    spread_s: int


class Resend(msgspec.Struct, array_like=True, frozen=True):
    """HQ misses these numbers: (stream, epoch, lane, first, last), epoch `ANY_EPOCH` where HQ does not know it.

    The box sends again what holds any of them, grace too, and says in an `Answer` what it no longer has.
    """

    at_us: int
    ranges: list[tuple[bytes, bytes, int, int, int]]


class Order(msgspec.Struct, array_like=True, frozen=True):
    """A command or a configuration: its place in HQ's order, its name and its content."""

    generation: int
    counter: int
    name: str
    content: bytes


class Succession(msgspec.Struct, array_like=True, frozen=True):
    """Every succession of HQ's root so far, `succession.SIZE` bytes each."""

    at_us: int
    links: bytes

    def root_after(self, pinned: Ed25519PublicKey) -> Ed25519PublicKey:
        """The root to pin instead of `pinned`, perhaps the same. Raises WireError."""
        return succession.follow(pinned, map(succession.parse, _pieces(self.links, succession.SIZE)))


Message = Receipt | Hold | Refusal | Pace | Resend | Order | Succession
SHAPES: dict[Kind, type[Message]] = {
    Kind.RECEIPT: Receipt,
    Kind.HOLD: Hold,
    Kind.REFUSAL: Refusal,
    Kind.PACE: Pace,
    Kind.RESEND: Resend,
    Kind.COMMAND: Order,
    Kind.CONFIG: Order,
    Kind.SUCCESSION: Succession,
}


def at_us(at: datetime) -> int:
    """A time as bodies tell it: microseconds since the Unix epoch."""
    return (at - _UNIX) // timedelta(microseconds=1)


class Signer(NamedTuple):
    """A signing key of HQ with its certificate."""

    key: Ed25519PrivateKey
    certificate: KeyCertificate

    def seal(self, kind: Kind, body: Message, fingerprint: bytes) -> bytes:
        """The envelope for the box of that fingerprint."""
        packed = msgspec.msgpack.encode(body)
        signature = self.key.sign(_signed(kind, fingerprint, packed))
        return MAGIC + bytes([kind]) + self.certificate.raw + signature + packed


class Envelope(NamedTuple):
    """A verified envelope."""

    kind: Kind
    certificate: KeyCertificate
    body: Message


def open_envelope(raw: bytes, root: Ed25519PublicKey, fingerprint: bytes, lowest: int) -> Envelope | None:
    """The envelope in `raw`, None for a kind of a later release.

    `WireError` when it is malformed, for another box, not certified by `root`, of a serial below `lowest`, or signed
    by a key that may not sign its kind.
    """
    if len(raw) > MAX_SIZE:
        raise WireError(f"downlink: {len(raw)} bytes, at most {MAX_SIZE}")
    reader = Reader(raw, "downlink")
    reader.magic(MAGIC)
    number = reader.take(1)[0]
    proof, signature, body = reader.take(certificate.SIZE), reader.take(64), reader.rest()
    if number not in list(Kind):
        return None
    kind = Kind(number)
    if kind is Kind.SUCCESSION:
        root = _root_after(root, body)
    cert = certificate.verify(proof, root)
    _check_right(kind, cert, lowest)
    try:
        cert.public_key().verify(signature, _signed(kind, fingerprint, body))
    except InvalidSignature:
        raise WireError("downlink: the signature does not match; forged, or for another box") from None
    return Envelope(kind, cert, _decode(kind, body))


def _pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def _root_after(root: Ed25519PublicKey, body: bytes) -> Ed25519PublicKey:
    said = _decode(Kind.SUCCESSION, body)
    return said.root_after(root) if isinstance(said, Succession) else root


def _check_right(kind: Kind, cert: KeyCertificate, lowest: int) -> None:
    if cert.serial < max(lowest, cert.lowest):
        raise WireError(f"downlink: key serial {cert.serial} is no longer accepted")
    wanted = Usage.OPERATIONS if kind in (Kind.COMMAND, Kind.CONFIG) else Usage.RECEIPTS
    if cert.usage is not wanted:
        raise WireError(f"downlink: a {cert.usage.name.lower()} key may not sign a {kind.name.lower()}")


def _decode(kind: Kind, body: bytes) -> Message:
    try:
        return msgspec.msgpack.decode(body, type=SHAPES[kind])
    except msgspec.DecodeError as fault:
        raise WireError(f"downlink: {fault}") from None


def _signed(kind: Kind, fingerprint: bytes, body: bytes) -> bytes:
    return _DOMAIN + bytes([kind]) + fingerprint + body
