"""`edge-hq backup` and `restore`: the database and what headquarters needs to speak and to open, in one directory.

    manifest.json     when, by which release's tables, of which generation; SHA-256 of the other files
    database.dump     pg_dump's custom format, of one moment
    files.tar         hq.json, keys/, tls/, boxes/; never offline/, which is kept elsewhere anyway

Everything in it is secret: it opens every record. What stores sent after a backup was made is not in it. After a
restore it comes again: the broker's stream is taken from its beginning, boxes are asked for what their heartbeats name
and the ledger lacks, and what they no longer hold is named lost. Commands go on under a higher generation, since the
restored ledger does not know the last counters. A restore deletes nothing: an older database stays beside the new one.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import time
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

import msgspec
import psycopg

from hq import boxes, headquarters, orders, warehouse
from hq.data import Data, DataError, Failure, Settings, pretty, private_directory, write_private
from hq.embedded.postgres import OWNER, Postgres, programs
from hq.rotation import FILES
from hq.up import alone
from hq.warehouse.schema import LaterDatabase, migrations

DUMP = "database.dump"
MANIFEST = "manifest.json"
_PARTS = ("hq.json", "keys", "tls", "boxes")


class Manifest(msgspec.Struct, frozen=True):
    """created: before the dump's moment; schema: the newest migration; sums: SHA-256 in hexadecimal, by file."""

    created: datetime
    schema: int
    generation: int
    sums: dict[str, str]


def backup(data: Data, place: Path) -> Manifest:
    """Writes a backup into a directory that does not exist yet. Raises Failure, DataError."""
    if place.exists():
        raise Failure(f"{place} exists; name a new directory, so that no backup is written over another")
    fresh = private_directory(place.with_name(f".{place.name}.{os.getpid()}"))
    created, settings = datetime.now(UTC), data.settings()
    _dump(headquarters.database(data), fresh / DUMP)
    with tarfile.open(fresh / FILES, "w") as archive:
        for part in _PARTS:
            archive.add(data.root / part, part)
    (fresh / FILES).chmod(0o600)
    sums = {name: _sum(fresh / name) for name in (DUMP, FILES)}
    manifest = Manifest(created, _schema(headquarters.database(data)), settings.generation, sums)
    write_private(fresh / MANIFEST, pretty(manifest))
    fresh.rename(place)
    return manifest


def verify(place: Path) -> Manifest:
    """The manifest of a backup whose files are whole. Raises Failure, LaterDatabase."""
    try:
        manifest = msgspec.json.decode((place / MANIFEST).read_bytes(), type=Manifest)
        broken = [name for name in (DUMP, FILES) if _sum(place / name) != manifest.sums.get(name)]
    except (OSError, msgspec.DecodeError) as fault:
        raise Failure(f"{place} is no backup of headquarters: {fault}") from fault
    if broken:
        raise Failure(f"{place / broken[0]} is not what it was when the backup was made; take another backup")
    if manifest.schema > len(migrations()):
        raise LaterDatabase(f"{place} was made by a later release (tables {manifest.schema}); install that one first")
    return manifest


def restore(data: Data, place: Path) -> Settings:
    """Makes the headquarters of a backup in a data directory where none runs; what is there keeps its names and ports.

    Raises Failure, DataError, StartError.
    """
    verify(place)
    private_directory(data.root)
    with alone(data):
        here = data.settings() if data.settings_file.exists() else None
        _extract(place / FILES, data.root)
        settings = _settings(data.settings(), here)
        data.save(settings)
        private_directory(data.log)
        if data.database.exists():
            data.database.rename(data.database.with_name(f"pg.before-{datetime.now(UTC):%Y%m%dT%H%M%S}"))
        server = headquarters.database(data)
        with server.running() as dsn:
            _load(server, place / DUMP)
            warehouse.migrate(dsn)
            boxes.copy(data, dsn)
            with psycopg.connect(dsn) as connection:
                orders.renew(connection, settings.generation)
        write_private(data.replay_file, b"")
    return settings


def _settings(backed_up: Settings, here: Settings | None) -> Settings:
    """Names and ports of the headquarters that is here already, if one is; a generation above every one before.

    Two restores of one backup must not have the same generation, so it follows the clock.
    """
    generation = max(backed_up.generation, here.generation if here else 0, int(time.time()) - 1) + 1
    return msgspec.structs.replace(here or backed_up, topic_root=backed_up.topic_root, generation=generation)


def _dump(server: Postgres, file: Path) -> None:
    _run(server, ["pg_dump", "--format=custom", "--no-owner", f"--file={file}", OWNER], "the database cannot be dumped")
    file.chmod(0o600)


def _load(server: Postgres, file: Path) -> None:
    _run(
        server,
        ["pg_restore", "--no-owner", "--exit-on-error", f"--dbname={OWNER}", str(file)],
        "the database cannot be loaded",
    )


def _run(server: Postgres, argv: list[str], what: str) -> None:
    try:
        password = server.password_file.read_text().strip()
    except FileNotFoundError:
        raise Failure(f"{server.password_file.parent} has no database yet; start it with edge-hq up") from None
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": OWNER, "PGPASSWORD": password}
    done = subprocess.run(
        [str(programs() / argv[0]), *argv[1:]], env={**os.environ, **where}, capture_output=True, text=True
    )
    if done.returncode:
        raise Failure(f"{what}: {done.stderr.strip()[-500:]}")


def _schema(server: Postgres) -> int:
    try:
        with psycopg.connect(server.dsn(), connect_timeout=10) as connection:
            row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except psycopg.Error as fault:
        raise Failure(f"the database does not answer ({fault})") from fault
    return int(row[0]) if row and row[0] else 0


def _extract(archive: Path, root: Path) -> None:
    """Only what a backup holds, only below `root`, private."""
    with tarfile.open(archive) as files:
        for member in files.getmembers():
            if member.name.split("/")[0] not in _PARTS:
                raise DataError(f"{archive} holds {member.name!r}, which no backup does")
            member.mode = 0o700 if member.isdir() else 0o600
            files.extract(member, root, filter="data")


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()
