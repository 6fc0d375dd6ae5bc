"""The keys that the box's configuration names, read once at start-up; a fault says which file and what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from cloud_sync.seal.hpke import KeyFileError, RecipientKey
from config.link import Hq

PSEUDONYM_BYTES = 32


class Keys(NamedTuple):
    """box: signs for this box; root: vouches for HQ's keys; recipients: can open records; pseudonym: hides people."""

    box: Ed25519PrivateKey
    root: Ed25519PublicKey
    recipients: list[RecipientKey]
    pseudonym: bytes


def read_keys(hq: Hq) -> Keys:
    """Every key; `KeyFileError` naming the file that is missing or holds something else."""
    return Keys(
        _box(hq.box_key_file),
        _root(hq.root_key_file),
        [_recipient(path) for path in hq.recipients],
        _pseudonym(hq.pseudonym_key_file),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise KeyFileError(f"{path}: {fault.strerror}; `edge-hq store add` makes it") from None


def _box(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_bytes(path), None)
    except (ValueError, TypeError) as fault:
        raise KeyFileError(f"{path}: expected an Ed25519 private key in PEM ({fault})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: expected an Ed25519 private key, this is another kind")
    return key


def _root(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(_bytes(path))
    except ValueError as fault:
        raise KeyFileError(f"{path}: expected an Ed25519 public key in PEM ({fault})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path}: expected an Ed25519 public key, this is another kind")
    return key


def _recipient(path: Path) -> RecipientKey:
    _bytes(path)
    return RecipientKey.load(path)


def _pseudonym(path: Path) -> bytes:
    key = _bytes(path)
    if len(key) != PSEUDONYM_BYTES:
        raise KeyFileError(f"{path}: expected {PSEUDONYM_BYTES} bytes, found {len(key)}")
    return key
