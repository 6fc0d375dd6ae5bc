"""The registry of boxes: one small JSON file each, the only truth about who may connect and whose word is believed.

Files and not tables, so that a store is added, and the broker's permissions are made, while the database is down.
`copy` brings the tables `store` and `box` up to date: `store add` and `revoke` call it where a database runs, `migrate`
and every start of `edge-hq up` in any case.
"""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256

import msgspec
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hq.data import Data, DataError, Failure, pretty, private_directory, write_private

_NAME = re.compile(r"[a-z0-9-]{1,32}")


class BoxError(Failure):
    """A box cannot be added or shut out; the text says what to do."""


class Box(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mini-PC that headquarters knows.

    name, timezone: of its store; the box added last has the say
    key: its raw Ed25519 public key
    """

    store: str
    box: str
    name: str
    timezone: str
    key: bytes
    added: datetime
    revoked: datetime | None = None

    @property
    def user(self) -> str:
        """Its name at the broker and in its TLS certificate."""
        return f"{self.store}.{self.box}"

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the public key, as epoch headers carry it."""
        return sha256(self.key).digest()

    def public_key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.key)


def registered(data: Data) -> list[Box]:
    """Every box, revoked ones too, in the order they were added. Raises DataError."""
    boxes = []
    for path in sorted(data.boxes.glob("*/*.json")):
        try:
            boxes.append(msgspec.json.decode(path.read_bytes(), type=Box))
        except msgspec.DecodeError as error:
            raise DataError(f"{path}: {error}; restore it from a backup") from error
    return sorted(boxes, key=lambda box: (box.added, box.user))


def find(data: Data, store: str, box: str) -> Box | None:
    """The box of that name, None where there is none. Raises DataError."""
    return next((known for known in registered(data) if (known.store, known.box) == (store, box)), None)


def users(data: Data) -> list[str]:
    """Who may connect to the broker. Raises DataError."""
    return [box.user for box in registered(data) if box.revoked is None]


def save(data: Data, box: Box) -> None:
    """Writes the box's file, over an older one."""
    folder = private_directory(data.boxes / box.store)
    write_private(folder / f"{box.box}.json", pretty(box))


def copy(data: Data, dsn: str) -> None:
    """Writes the registry over the tables `store` and `box`. Raises DataError, psycopg.Error."""
    boxes = registered(data)
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO store (store, name, timezone, added_at) VALUES (%s, %s, %s, %s)
               ON CONFLICT (store) DO UPDATE SET name = excluded.name, timezone = excluded.timezone""",
            [(box.store, box.name, box.timezone, box.added) for box in boxes],
        )
        cursor.executemany(
            """INSERT INTO box (store, box, public_key, fingerprint, added_at, revoked_at)
               VALUES (%s, %s, %s, %s, %s, %s)
               ON CONFLICT (store, box) DO UPDATE SET revoked_at = excluded.revoked_at,
                   public_key = excluded.public_key, fingerprint = excluded.fingerprint""",
            [(box.store, box.box, box.key, box.fingerprint, box.added, box.revoked) for box in boxes],
        )


def check_name(what: str, name: str) -> str:
    """`name` itself when topics can carry it. Raises BoxError."""
    if not _NAME.fullmatch(name):
        raise BoxError(f"{what} {name!r}: use 1 to 32 of a-z, 0-9 and -")
    return name
