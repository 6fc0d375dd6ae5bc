"""HQ's keyring: what signs, what opens, and what boxes pin.

offline/root.key        Ed25519 (PEM): certifies signing keys; only a change of keys needs it (`hq.rotation`)
offline/root-N.key      the N-th root after it, in its place
offline/escrow.key      opens every epoch key, for the day the sealing key is lost
keys/root.pub           what boxes pin
keys/receipt.key .cert  signs receipts, holds, refusals, pace, re-sends (`cloud_sync.wire.certificate`)
keys/operations.key .cert   signs commands and configuration
keys/seal-ID.key        opens epoch keys; one file a sealing key, retired ones too
keys/seal.pub           the sealing key that boxes seal to now
keys/escrow.pub         to which they seal as well
keys/root-NUMBER.link   every succession of the root so far (`cloud_sync.wire.succession`)
keys/pseudonym.key      32 random bytes, by which all boxes make the same pseudonyms
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.seal.hpke import OpeningKey, RecipientKey
from cloud_sync.wire import certificate, succession
from cloud_sync.wire.certificate import KeyCertificate, Usage
from cloud_sync.wire.downlink import Signer
from cloud_sync.wire.succession import Link
from hq.data import Data, DataError, private_directory, write_private

PSEUDONYM_BYTES = 32
_SIGNERS = {"receipt": (Usage.RECEIPTS, 1), "operations": (Usage.OPERATIONS, 2)}  # usage and serial
_LOWEST = 1


@dataclass(frozen=True)
class Keyring:
    """The keys that HQ needs every day.

    opening: by the key id that an epoch header names (`RecipientKey.key_id`)
    """

    root: Ed25519PublicKey
    receipts: Signer
    operations: Signer
    opening: dict[bytes, OpeningKey]
    sealing: RecipientKey
    escrow: RecipientKey
    links: tuple[Link, ...]


def ensure(data: Data) -> None:
    """Makes what is missing and changes nothing that is there. Raises DataError when that takes an absent root key."""
    private_directory(data.keys)
    private_directory(data.offline)
    _ensure_root(data)
    for name, (usage, serial) in _SIGNERS.items():
        if not (data.keys / f"{name}.cert").exists():
            _make_signer(data, name, usage, serial)
    if not (data.keys / "seal.pub").exists():
        _make_sealing(data)
    if not (data.keys / "escrow.pub").exists():
        escrow = OpeningKey.generate()
        save(escrow, data.offline / "escrow.key")
        save(escrow.public, data.keys / "escrow.pub")
    if not (data.keys / "pseudonym.key").exists():
        write_private(data.keys / "pseudonym.key", os.urandom(PSEUDONYM_BYTES))


def load(data: Data) -> Keyring:
    """The keyring of a data directory that `ensure` made. Raises DataError, WireError, KeyFileError."""
    root = public_key(data.keys / "root.pub")
    opening = [OpeningKey.load(path) for path in sorted(data.keys.glob("seal-*.key"))]
    return Keyring(
        root=root,
        receipts=_load_signer(data, "receipt", root),
        operations=_load_signer(data, "operations", root),
        opening={key.public.key_id: key for key in opening},
        sealing=RecipientKey.load(data.keys / "seal.pub"),
        escrow=RecipientKey.load(data.keys / "escrow.pub"),
        links=links(data),
    )


def certificates(data: Data) -> dict[str, KeyCertificate]:
    """Of every signing key, by name; certified by the present root or, in the middle of a change, by another one."""
    return {name: certificate.parse((data.keys / f"{name}.cert").read_bytes()) for name in _SIGNERS}


def links(data: Data) -> tuple[Link, ...]:
    """Every succession of the root, by number. Raises WireError."""
    found = (succession.parse(path.read_bytes()) for path in data.keys.glob("root-*.link"))
    return tuple(sorted(found, key=lambda link: link.number))


def private_key(path: Path) -> Ed25519PrivateKey:
    """An Ed25519 private key from PEM. Raises DataError."""
    key = _read_pem(path, private=True)
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"{path}: expected an Ed25519 private key in PEM; restore it from a backup")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """An Ed25519 public key from PEM. Raises DataError."""
    key = _read_pem(path, private=False)
    if not isinstance(key, Ed25519PublicKey):
        raise DataError(f"{path}: expected an Ed25519 public key in PEM; restore it from a backup")
    return key


def private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _ensure_root(data: Data) -> None:
    pinned, offline = data.keys / "root.pub", data.offline / "root.key"
    if pinned.exists():
        return
    if not offline.exists():
        write_private(offline, private_pem(Ed25519PrivateKey.generate()))
    write_private(pinned, public_pem(private_key(offline).public_key()))


def _make_signer(data: Data, name: str, usage: Usage, serial: int) -> None:
    root = private_key(data.offline / "root.key")
    key = Ed25519PrivateKey.generate()
    proof = certificate.issue(root, usage, serial, _LOWEST, key.public_key())
    write_private(data.keys / f"{name}.key", private_pem(key))
    write_private(data.keys / f"{name}.cert", proof.raw)


def _load_signer(data: Data, name: str, root: Ed25519PublicKey) -> Signer:
    key = private_key(data.keys / f"{name}.key")
    proof = certificate.verify((data.keys / f"{name}.cert").read_bytes(), root)
    if proof.key != key.public_key().public_bytes_raw():
        raise DataError(f"{data.keys / name}.cert is of another key; remove it and run edge-hq init with the root key")
    return Signer(key, proof)


def _make_sealing(data: Data) -> None:
    key = OpeningKey.generate()
    save(key, data.keys / f"seal-{key.public.key_id.hex()}.key")
    save(key.public, data.keys / "seal.pub")


def save(key: OpeningKey | RecipientKey, path: Path) -> None:
    """Writes the key's file, durable and readable by its owner alone."""
    key.save(path)
    write_private(path, path.read_bytes())


def _read_pem(path: Path, *, private: bool) -> object:
    try:
        content = path.read_bytes()
        if private:
            return serialization.load_pem_private_key(content, password=None)
        return serialization.load_pem_public_key(content)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; bring it back from where it is kept") from None
    except ValueError as error:
        raise DataError(f"{path}: {error}; restore it from a backup") from error
