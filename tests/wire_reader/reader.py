"""A second reader of the wire, made from docs/wire.md alone: it imports nothing of the product.

Small on purpose: what it cannot read is not in the document. The KEM is put together by hand from ML-KEM-768, X25519
and SHA3-256, so that the suite's number is checked and not believed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import sha3_256, sha256
from pathlib import Path
from typing import Any

import msgspec
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DICTIONARIES = Path(__file__).resolve().parents[2] / "cloud_sync" / "seal"


class Cursor:
    """Reads big-endian fields from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise ValueError("cut off")
        self.at += size
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        return self.take(self.number(1)).decode("ascii")

    @property
    def rest(self) -> bytes:
        return self.data[self.at :]


# --- HPKE: RFC 9180, base mode, KEM 0x647A, KDF 0x0001, AEAD 0x0002 ---

_SUITE = b"HPKE" + bytes.fromhex("647a00010002")
_LABEL = bytes.fromhex("5c2e2f2f5e5c")


def _extract(salt: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def _expand(key: bytes, info: bytes, size: int) -> bytes:
    made, block = b"", b""
    while len(made) < size:
        block = hmac.digest(key, block + info + bytes([len(made) // 32 + 1]), "sha256")
        made += block
    return made[:size]


def _labeled(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return _extract(salt, b"HPKE-v1" + _SUITE + label + ikm)


def hpke_open(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """private: 64 bytes of ML-KEM seed and 32 of X25519; sealed: 1,120 bytes enc, then ciphertext and tag."""
    kem, curve = MLKEM768PrivateKey.from_seed_bytes(private[:64]), X25519PrivateKey.from_private_bytes(private[64:])
    first, second, ciphertext = sealed[:1088], sealed[1088:1120], sealed[1120:]
    shared = sha3_256(
        kem.decapsulate(first)
        + curve.exchange(X25519PublicKey.from_public_bytes(second))
        + second
        + curve.public_key().public_bytes_raw()
        + _LABEL
    ).digest()
    context = b"\0" + _labeled(b"", b"psk_id_hash", b"") + _labeled(b"", b"info_hash", info)
    secret = _labeled(shared, b"secret", b"")

    def derived(label: bytes, size: int) -> bytes:
        return _expand(secret, size.to_bytes(2, "big") + b"HPKE-v1" + _SUITE + label + context, size)

    return AESGCM(derived(b"key", 32)).decrypt(derived(b"base_nonce", 12), ciphertext, b"")


# --- epoch header, batch, record ---


def epoch_header(raw: bytes, box: Ed25519PublicKey) -> dict[str, Any]:
    """Its fields; `sealed` by key id. Raises when the box did not sign it."""
    box.verify(raw[-64:], b"store-edge epoch 1\0" + raw[:-64])
    fields = Cursor(raw)
    assert fields.take(4) == b"SEE1"
    assert fields.number(1) == 1
    found: dict[str, Any] = {name: fields.take(16) for name in ("stream", "epoch", "previous", "boot")}
    found["opened"] = int.from_bytes(fields.take(8), "big", signed=True)
    found["first"] = [fields.number(8) for _ in range(3)]
    found["fingerprint"] = fields.take(32)
    found["store"], found["box"] = fields.text(), fields.text()
    found["info"] = b"store-edge epoch key 1\0" + raw[: fields.at]
    found["sealed"] = {fields.take(8): fields.take(fields.number(2)) for _ in range(fields.number(1))}
    return found


def _hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return _expand(_extract(salt, secret), info, 32)


def _plain(frame: bytes, dictionary: int) -> bytes:
    shipped = zstandard.ZstdCompressionDict((DICTIONARIES / f"{dictionary}.zdict").read_bytes())
    return zstandard.ZstdDecompressor(dict_data=shipped).decompress(frame)


def batch(raw: bytes, epoch: bytes, secret: bytes) -> list[dict[str, Any]]:
    """Its records with lane and number, opened with the epoch's key."""
    head = Cursor(raw)
    assert head.take(4) == b"SEB1"
    kind, lane, dictionary = head.number(1), head.number(1), head.number(2)
    assert head.take(16) == epoch
    first, count = head.number(8), head.number(4)
    types = {head.number(2): head.number(4) for _ in range(head.number(1))}
    assert sum(types.values()) == count
    if kind == 1:
        sealer = AESGCM(_hkdf(secret, epoch, b"store-edge batches 1"))
        opened = sealer.decrypt(head.rest[:12], head.rest[12:], raw[: head.at])
        pairs = list(_records(_plain(opened, dictionary)))
    else:
        pairs = list(_rows(head.rest, epoch, lane, first, secret))
    assert len(pairs) == count
    return [{"lane": lane, "seq": seq, "type": type_} | record(raw) for seq, (type_, raw) in enumerate(pairs, first)]


def _records(body: bytes) -> Iterator[tuple[int, bytes]]:
    left = Cursor(body)
    while left.rest:
        type_ = left.number(2)
        yield type_, left.take(left.number(4))


def _rows(body: bytes, epoch: bytes, lane: int, first: int, secret: bytes) -> Iterator[tuple[int, bytes]]:
    left, sealer = Cursor(body), AESGCM(_hkdf(secret, epoch, b"store-edge rows 1"))
    while left.rest:
        type_, dictionary = left.number(2), left.number(2)
        sealed = left.take(left.number(4))
        about = b"SER1" + epoch + bytes([lane]) + first.to_bytes(8, "big")
        about += type_.to_bytes(2, "big") + dictionary.to_bytes(2, "big")
        yield type_, _plain(sealer.decrypt(sealed[:12], sealed[12:], about), dictionary)
        first += 1


def record(raw: bytes) -> dict[str, Any]:
    version, device, at, mono_ms, clock, data = msgspec.msgpack.decode(raw)
    return {"version": version, "device": device, "at": at, "mono_ms": mono_ms, "clock": clock, "data": data}


# --- a box's message, an envelope ---


def said(raw: bytes, box: Ed25519PublicKey) -> tuple[int, dict[str, Any]]:
    """Kind and body of a box's message. Raises when the box did not sign it."""
    fields = Cursor(raw)
    assert fields.take(4) == b"SEA1"
    kind, signature = fields.take(1), fields.take(64)
    box.verify(signature, b"store-edge box 1\0" + kind + fields.rest)
    return kind[0], msgspec.msgpack.decode(fields.rest)


def envelope(raw: bytes, root: Ed25519PublicKey, fingerprint: bytes, lowest: int) -> tuple[int, list[Any]]:
    """Kind and body of what HQ sent. Raises when it is not HQ's word for this box."""
    fields = Cursor(raw)
    assert fields.take(4) == b"SED1"
    kind = fields.take(1)
    proof, signature, body = Cursor(fields.take(109)), fields.take(64), fields.rest
    if kind[0] == 8:
        root = successor(root, msgspec.msgpack.decode(body)[1])
    root.verify(proof.data[-64:], b"store-edge key 1\0" + proof.data[:-64])
    assert proof.take(4) == b"SEC1"
    usage, serial, demanded = proof.number(1), proof.number(4), proof.number(4)
    assert serial >= max(lowest, demanded)
    assert usage == (2 if kind[0] in (6, 7) else 1)
    signer = Ed25519PublicKey.from_public_bytes(proof.take(32))
    signer.verify(signature, b"store-edge down 1\0" + kind + fingerprint + body)
    return kind[0], msgspec.msgpack.decode(body)


def successor(root: Ed25519PublicKey, links: bytes) -> Ed25519PublicKey:
    """The root at the end of the links that begin at this one."""
    for link in sorted((links[at : at + 104] for at in range(0, len(links), 104)), key=lambda one: one[4:8]):
        assert link[:4] == b"SES1"
        try:
            root.verify(link[-64:], b"store-edge root 1\0" + link[:-64])
        except InvalidSignature:
            pass
        else:
            root = Ed25519PublicKey.from_public_bytes(link[8:40])
    return root


# --- a carried file ---


def carried(raw: bytes) -> tuple[str, str, list[tuple[int, bytes]]]:
    """Store, box and parcels (1 epoch header, 2 batch) of a file that a person carries."""
    assert sha256(raw[:-32]).digest() == raw[-32:]
    fields = Cursor(raw[:-32])
    assert fields.take(4) == b"SEX1"
    store, box, parcels = fields.text(), fields.text(), []
    while what := fields.number(1):
        parcels.append((what, fields.take(fields.number(4))))
    assert fields.number(4) == len(parcels)
    return store, box, parcels
