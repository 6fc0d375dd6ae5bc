"""Changing headquarters' keys: signers, the lowest serial, the offline root, the sealing key.

Boxes pin the root. A new signer is certified under the next serial; raising the lowest serial ends every key below it
for ever. A new root is named by the old one (`cloud_sync.wire.succession`); every link there ever was is kept and sent,
so that a box that slept through several changes follows. A sealing key is announced only once a backup of it was seen
to open what it seals: what is sealed to a key that was lost afterwards is lost. Retired sealing keys stay for opening.

Workers read the keys when they start: restart `edge-hq up` or `ingest` after a change.
"""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cloud_sync.seal.hpke import KeyFileError, OpeningKey, RecipientKey, SealError
from cloud_sync.wire import certificate, succession
from cloud_sync.wire.certificate import KeyCertificate
from hq import keys
from hq.data import Data, DataError, Failure, write_private

FILES = "files.tar"  # of a backup (`hq.backup`)


def new_signer(data: Data, name: str, above: int, root_file: Path) -> KeyCertificate:
    """A fresh key to sign with, under the next serial, at least one more than `above`. Raises DataError, WireError."""
    root = _root(data, root_file)
    present = keys.certificates(data)
    serial = max(above, *(one.serial for one in present.values())) + 1
    key = Ed25519PrivateKey.generate()
    proof = certificate.issue(root, present[name].usage, serial, present[name].lowest, key.public_key())
    write_private(data.keys / f"{name}.key", keys.private_pem(key))
    write_private(data.keys / f"{name}.cert", proof.raw)
    return proof


def raise_lowest(data: Data, lowest: int, root_file: Path) -> None:
    """From now on boxes refuse every key of a lower serial, for ever. Raises Failure, DataError, WireError."""
    root = _root(data, root_file)
    for name, one in keys.certificates(data).items():
        if one.serial < lowest:
            raise Failure(f"the {name} key has serial {one.serial}; renew it first: edge-hq keys new-signer {name}")
        if lowest < one.lowest:
            raise Failure(f"boxes already refuse serials below {one.lowest}; that cannot be taken back")
    _certify_all(data, root, lowest)


def succeed_root(data: Data, root_file: Path) -> Path:
    """A new root, named by the old one, under which the signers are certified; where its key lies.

    A run that was interrupted is gone on with. Raises Failure, DataError, WireError.
    """
    old = _root(data, root_file)
    links = keys.links(data)
    begun = [link for link in links if succession.follow(old.public_key(), [link]) != old.public_key()]
    number = begun[0].number if begun else max((link.number for link in links), default=0) + 1
    place = data.offline / f"root-{number}.key"
    if not place.exists():
        write_private(place, keys.private_pem(Ed25519PrivateKey.generate()))
    new = keys.private_key(place)
    link = succession.issue(old, number, new.public_key())
    write_private(data.keys / f"root-{number}.link", link.raw)
    _certify_all(data, new, max(one.lowest for one in keys.certificates(data).values()))
    write_private(data.keys / "root.pub", keys.public_pem(new.public_key()))
    return place


def new_sealing(data: Data) -> bytes:
    """A sealing key that opens from now on and to which nobody seals yet; its id."""
    key = OpeningKey.generate()
    keys.save(key, data.keys / f"seal-{key.public.key_id.hex()}.key")
    return key.public.key_id


def announced(data: Data, key_id: str, backup: Path) -> list[RecipientKey]:
    """Makes the key the one that boxes seal to, after a backup of it was seen to open; the recipients from now on.

    backup: a directory that `edge-hq backup` made, or a copy of the key's file
    Raises Failure.
    """
    place = data.keys / f"seal-{key_id}.key"
    if not place.exists():
        raise Failure(f"no sealing key {key_id}; edge-hq keys list shows those that there are")
    public = OpeningKey.load(place).public
    _check_backup(public, _backed_up(backup, place.name))
    keys.save(public, data.keys / "seal.pub")
    return [public, RecipientKey.load(data.keys / "escrow.pub")]


def _check_backup(public: RecipientKey, copy: OpeningKey) -> None:
    secret = os.urandom(32)
    try:
        opened = copy.open(public.seal(secret, b"backup"), b"backup")
    except SealError:
        opened = b""
    if opened != secret:
        raise Failure("the copy in the backup does not open what the key seals; make a new backup")


def _backed_up(backup: Path, name: str) -> OpeningKey:
    """The key in a backup. Raises Failure."""
    try:
        if backup.is_dir():
            with tarfile.open(backup / FILES) as archive:
                member = archive.extractfile(f"keys/{name}")
                return OpeningKey.parse(member.read() if member else b"", str(backup))
        return OpeningKey.load(backup)
    except (OSError, KeyError, tarfile.TarError, KeyFileError) as fault:
        raise Failure(f"{backup} holds no copy of {name}: run edge-hq backup first ({fault})") from fault


def _root(data: Data, file: Path) -> Ed25519PrivateKey:
    root = keys.private_key(file)
    if _raw(root.public_key()) != _raw(keys.public_key(data.keys / "root.pub")):
        raise DataError(f"{file} is not the root that boxes pin now; bring the newest one from where it is kept")
    return root


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes_raw()


def _certify_all(data: Data, root: Ed25519PrivateKey, lowest: int) -> None:
    """The same keys and serials, certified anew."""
    for name, one in keys.certificates(data).items():
        proof = certificate.issue(root, one.usage, one.serial, lowest, one.public_key())
        write_private(data.keys / f"{name}.cert", proof.raw)
