"""Tables, pragmas and migrations of the buffer file; the reasons stand in the package's docstring.

`user_version` is the number of migrations that the file has been through. A release only ever adds one at the end, and
each makes a table, a column or an index: by these a format is known where `user_version` rotted.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from edge_agent.buffer.guard import require_alone

if TYPE_CHECKING:
    import sqlite_utils

log = logging.getLogger(__name__)
PAGE = 4096

PRAGMAS = (
    f"PRAGMA page_size={PAGE}",
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA secure_delete=OFF",
    "PRAGMA cache_size=-4096",
    "PRAGMA cell_size_check=ON",
)

_FIRST = """
CREATE TABLE stream (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), stream BLOB NOT NULL, previous BLOB,
                     store TEXT NOT NULL, box TEXT NOT NULL, secret BLOB NOT NULL);
CREATE TABLE lane (lane INTEGER PRIMARY KEY, next INTEGER NOT NULL, cut INTEGER NOT NULL);
CREATE TABLE epoch (ordinal INTEGER PRIMARY KEY, epoch BLOB NOT NULL UNIQUE, digest BLOB NOT NULL,
                    receipted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE header_a (ordinal INTEGER PRIMARY KEY, raw BLOB NOT NULL);
CREATE TABLE header_b (ordinal INTEGER PRIMARY KEY, raw BLOB NOT NULL);
CREATE TABLE header_c (ordinal INTEGER PRIMARY KEY, raw BLOB NOT NULL);
CREATE TABLE journal (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, type INTEGER NOT NULL,
                      dictionary INTEGER NOT NULL, sealed BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, lane INTEGER NOT NULL,
                     epoch INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, oldest_us INTEGER NOT NULL,
                     size INTEGER NOT NULL, settled_us INTEGER, payload BLOB NOT NULL);
CREATE INDEX outbox_waiting ON outbox (lane, id) WHERE settled_us IS NULL;
CREATE INDEX outbox_grace ON outbox (settled_us) WHERE settled_us IS NOT NULL;
CREATE TABLE state (device TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (device, key))
    WITHOUT ROWID;
CREATE TABLE seen (device TEXT NOT NULL, identity BLOB NOT NULL, day INTEGER NOT NULL, PRIMARY KEY (device, identity))
    WITHOUT ROWID;
CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO lane VALUES (0, 1, 1), (1, 1, 1), (2, 1, 1);
INSERT INTO fact VALUES ('transaction', 0);
"""

_EPOCH_OF_A_BATCH = """
CREATE INDEX outbox_epoch ON outbox (epoch);
"""  # whether an epoch is still needed is asked once an hour, and without it every batch is read for the answer

LANE_SUM = "3 * next + cut + lane"  # no one flipped bit leaves it true

# Rot in the next number would give numbers twice, or name numbers lost that nobody was given.
_SUM_OF_A_LANE = f"""
ALTER TABLE lane ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE lane SET sum = {LANE_SUM};
"""  # noqa: S608 (our own text)

MIGRATIONS = (_FIRST, _EPOCH_OF_A_BATCH, _SUM_OF_A_LANE)
VERSION = len(MIGRATIONS)


def lane_sum(lane: int, following: int, cut: int) -> int:
    """`LANE_SUM` where there is no SQLite."""
    return 3 * following + cut + lane


class NewerFormat(Exception):
    """The file was written by a later release."""


class NotABuffer(sqlite3.DatabaseError):
    """A database, but of something else."""

    sqlite_errorcode = sqlite3.SQLITE_NOTADB


def prepare(connection: sqlite3.Connection) -> None:
    """Sets the pragmas and brings the tables to this release's version."""
    for pragma in PRAGMAS:
        connection.execute(pragma).fetchall()
    require_alone(connection.execute("PRAGMA locking_mode").fetchone()[0], sqlite3.sqlite_version_info)
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0]:  # every write would put maps of pages over pages
        raise NotABuffer("its head says that it keeps maps of its pages, which no buffer does")
    said = connection.execute("PRAGMA user_version").fetchone()[0]
    if said != VERSION:
        _migrate(connection, _format(connection, said), said)


def _format(connection: sqlite3.Connection, said: int) -> int:
    """Which format the tables have: one rotten bit makes another number of `user_version`, and no other tables."""
    import sqlite_utils  # a third of a second of a start, which a file that says this version can do without

    shape = _shape(sqlite_utils.Database(connection))
    if not shape and not said:
        return 0
    with closing(sqlite3.connect(":memory:")) as model:
        for number, script in enumerate(MIGRATIONS, 1):
            model.executescript(script)
            if shape == _shape(sqlite_utils.Database(model)):
                return number
    if not shape or said <= VERSION:
        raise NotABuffer("its tables are not those of a buffer")
    raise NewerFormat(
        f"the buffer has format {said}, this release knows {VERSION}: install the newer release again; "
        "the file is left as it is"
    )


def _shape(database: sqlite_utils.Database) -> set[tuple[str, str]]:
    """Every column and index, each with its table."""
    return {
        (table.name, part.name)
        for table in database.tables
        for parts in (table.columns, table.indexes)
        for part in parts
    }


def _migrate(connection: sqlite3.Connection, version: int, said: int) -> None:
    """One migration a transaction, so that a crash leaves the file at one version or the next."""
    if version != said:
        log.warning("event=buffer-format-mended said=%d is=%d", said, version)
        connection.execute(f"PRAGMA user_version={version}")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;{script}PRAGMA user_version={number};COMMIT;")
