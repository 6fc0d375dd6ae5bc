"""The key of one epoch: seals and opens its rows and batches.

HKDF-SHA256 (RFC 5869) with the epoch's id as salt derives one key for rows and one for batches; both seal by
AES-256-GCM under 12 random bytes, never derived ones, with the whole clear header as associated data. The epoch's
header is signed, so nothing else needs a signature.

What can be wiped is: the secret once it is sealed, the derived keys once the ciphers have them. The ciphers hold them
in memory of OpenSSL, which wipes it when they go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloud_sync.seal.dictionary import CURRENT, Zstd
from cloud_sync.seal.hpke import OpeningKey, RecipientKey, SealError
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.batch import (
    MAX_BODY,
    MAX_RECORD,
    BatchHeader,
    Kind,
    Row,
    pack_records,
    row_aad,
    unpack_records,
    unpack_rows,
)
from cloud_sync.wire.epoch import EpochHeader, EpochIdentity
from cloud_sync.wire.reader import WireError
from records import Lane

NONCE = 12
Random = Callable[[int], bytes]


class EpochKey:
    """Rows and batches of one epoch. `random`: n bytes from the operating system, injected for simulation."""

    def __init__(self, epoch: bytes, secret: bytes) -> None:
        self.epoch = epoch
        self._secret = bytearray(secret)
        self._rows = _cipher(secret, epoch, b"store-edge rows 1")
        self._batches = _cipher(secret, epoch, b"store-edge batches 1")

    def forget_secret(self) -> None:
        """Once it is sealed to everybody who shall have it. What seals and opens rows and batches stays."""
        self._secret[:] = bytes(len(self._secret))

    def sealed_for(self, identity: EpochIdentity, recipients: list[RecipientKey]) -> dict[bytes, bytes]:
        """The key, sealed to each recipient, by key id."""
        info = wire_epoch.INFO_DOMAIN + identity.to_bytes()
        return {recipient.key_id: recipient.seal(self._secret, info) for recipient in recipients}

    def seal_row(self, lane: Lane, seq: int, type_id: int, frame: bytes, random: Random) -> bytes:
        """A row of the journal: nonce, ciphertext and tag of a compressed record."""
        nonce = random(NONCE)
        return nonce + self._rows.encrypt(nonce, frame, row_aad(self.epoch, lane, seq, type_id, CURRENT))

    def open_row(self, lane: Lane, seq: int, row: Row, zstd: Zstd) -> bytes:
        """The record in a sealed row; `SealError` when any bit of it or of its clear identity changed."""
        aad = row_aad(self.epoch, lane, seq, row.type_id, row.dictionary)
        frame = _open(self._rows, row.sealed, aad, f"row {seq}")
        return zstd.expand(frame, row.dictionary, MAX_RECORD)

    def seal_batch(self, lane: Lane, first: int, records: list[tuple[int, bytes]], zstd: Zstd, random: Random) -> bytes:
        """A whole batch of kind 1 of (type, record) pairs."""
        types = dict(Counter(kind for kind, _ in records))
        header = BatchHeader(Kind.RECORDS, lane, CURRENT, self.epoch, first, types).to_bytes()
        nonce = random(NONCE)
        return header + nonce + self._batches.encrypt(nonce, zstd.batch(pack_records(records)), header)

    def open_batch(self, header: BatchHeader, body: bytes, zstd: Zstd) -> list[tuple[int, bytes]]:
        """(type, record) pairs of a batch of either kind, in the order of their numbers.

        `SealError` when it was changed or sealed by another key, `WireError` when header and content disagree.
        """
        if header.kind is Kind.RECORDS:
            frame = _open(self._batches, body, header.to_bytes(), "batch")
            opened = list(unpack_records(zstd.expand(frame, header.dictionary, MAX_BODY)))
        else:
            opened = list(self._open_rows(header, body, zstd))
        if dict(Counter(kind for kind, _ in opened)) != header.types:
            raise WireError("batch: its content is not what its header announces")
        return opened

    def _open_rows(self, header: BatchHeader, body: bytes, zstd: Zstd) -> Iterator[tuple[int, bytes]]:
        for seq, row in enumerate(unpack_rows(body), header.first):
            yield row.type_id, self.open_row(header.lane, seq, row, zstd)


def open_epoch(header: EpochHeader, key: OpeningKey) -> EpochKey:
    """The epoch's key; `SealError` when the header is not sealed to `key`."""
    sealed = header.sealed.get(key.public.key_id)
    if sealed is None:
        raise SealError("the epoch is not sealed to this key")
    return EpochKey(header.identity.epoch, key.open(sealed, header.info()))


def _open(aead: AESGCM, sealed: bytes, aad: bytes, what: str) -> bytes:
    try:
        return aead.decrypt(sealed[:NONCE], sealed[NONCE:], aad)
    except (InvalidTag, ValueError):
        raise SealError(f"{what}: changed since it was sealed, or sealed by another key") from None


def _cipher(secret: bytes, salt: bytes, info: bytes) -> AESGCM:
    key = bytearray(32)
    HKDF(SHA256(), 32, salt, info).derive_into(secret, key)
    cipher = AESGCM(key)
    key[:] = bytes(32)
    return cipher
