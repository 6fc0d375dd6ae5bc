"""Tables, pragmas and migrations of the buffer file; the reasons stand in the package's docstring.

`user_version` is the number of migrations that the file has been through. A release only ever adds one at the end, and
each changes the words of a table or an index: by these a format is known, since one rotten bit makes another version.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from functools import cache

from edge_agent.buffer.guard import require_alone

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
    """A database, but of something else, or with no sense left in what every buffer says."""

    sqlite_errorcode = sqlite3.SQLITE_NOTADB


def prepare(connection: sqlite3.Connection) -> None:
    """Sets the pragmas and brings the tables to this release's version."""
    for pragma in PRAGMAS:
        connection.execute(pragma).fetchall()
    require_alone(connection.execute("PRAGMA locking_mode").fetchone()[0], sqlite3.sqlite_version_info)
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0]:  # every write would put maps of pages over pages
        raise NotABuffer("its head says that it keeps maps of its pages, which no buffer does")
    version, said = _format(connection), connection.execute("PRAGMA user_version").fetchone()[0]
    if version is None or (said and not version):
        raise _unknown(connection, said)
    _migrate(connection, version, said)
    if not connection.execute("SELECT 1 FROM fact WHERE name = 'transaction' AND typeof(value) = 'integer'").fetchone():
        raise NotABuffer("it does not say which transaction was its last")


def _format(connection: sqlite3.Connection) -> int | None:
    """Which format the words of its tables are, 0 without any; one rotten bit makes them those of none.

    Rot in them changes what a statement means, and in `user_version` alone it makes an older format or a newer one.
    """
    words, formats = _words(connection), _formats()
    return formats.index(words) if words in formats else None


@cache
def _formats() -> list[set[tuple[str, str]]]:
    """The words of every format, from that of an empty file on."""
    with closing(sqlite3.connect(":memory:")) as model:
        return [_words(model.executescript(script).connection) for script in ("", *MIGRATIONS)]


def _words(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Every table and index, and the statement that made it; not the reserve (`space`), which comes and goes."""
    look = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' AND name != 'filler'"
    return set(connection.execute(look))


def _unknown(connection: sqlite3.Connection, said: int) -> NewerFormat | NotABuffer:
    import sqlite_utils  # a third of a second

    names = sqlite_utils.Database(connection).table_names()
    if said <= VERSION or not names:
        return NotABuffer(f"its tables are not those of a buffer: {', '.join(names)}")
    return NewerFormat(
        f"the buffer has format {said}, this release knows {VERSION}: install the newer release again; "
        "the file is left as it is"
    )


def _migrate(connection: sqlite3.Connection, version: int, said: int) -> None:
    """One migration a transaction, so that a crash leaves the file at one version or the next."""
    if version != said:
        log.warning("event=buffer-format-mended said=%d is=%d", said, version)
        connection.execute(f"PRAGMA user_version={version}")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;{script}PRAGMA user_version={number};COMMIT;")
