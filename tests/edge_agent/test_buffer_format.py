"""The file's format: older ones are brought up to date, newer ones refused, and nobody else comes in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.buffer import Buffer, BufferError
from edge_agent.buffer.guard import TwoConnections, may_lose, require_alone
from edge_agent.buffer.schema import MIGRATIONS, VERSION, NewerFormat
from edge_agent.recorder.messages import Flush, Tick
from edge_agent.recorder.opening import FILE, open_buffer
from records import Record
from records.types import StreamOpen
from tests.edge_agent.boxes import NOON, TestBox, some_records
from tests.edge_agent.test_recorder import ROOM, Bench, accept, drained

FORMATS = {
    1: """
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
}  # what each release wrote; one is added here before the next is begun
FORMATS[2] = f"{FORMATS[1]}CREATE INDEX outbox_epoch ON outbox (epoch);"
FORMATS[3] = f"{FORMATS[2]}ALTER TABLE lane ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"


def older_file(folder: Path, box: TestBox, version: int) -> list[Record]:
    """A file of an older format, or of this one, with rows and batches in it; the records it holds."""
    made = some_records(400)
    newest = folder / "newest"
    newest.mkdir()
    bench = Bench(newest, box)
    for at in (0, 200):
        bench.step(accept(made[at : at + 200]))
        bench.step(Flush())
        if not at:
            drained(bench)
    bench.buffer.close()
    with closing(sqlite3.connect(folder / FILE)) as db:
        db.executescript(f"{FORMATS[version]};DELETE FROM lane;DELETE FROM fact;PRAGMA user_version={version};")  # noqa: S608 (our own text)
        db.execute("ATTACH ? AS newest", (str(newest / FILE),))
        tables = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (table,) in tables.fetchall():
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}")  # noqa: S608 (our own names)
        db.commit()
    return made


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_file_of_an_older_release_goes_on_with_every_record(tmp_path: Path, version: int) -> None:
    """What an earlier release accepted is there after the new one's first start, under its stream and numbers."""
    box = TestBox()
    made = older_file(tmp_path, box, version)

    bench = Bench(tmp_path, box)

    kept = [record for record in drained(bench).values() if not isinstance(record.data, StreamOpen)]
    assert sorted(kept, key=str) == sorted(made, key=str)
    assert not list(tmp_path.glob(f"{FILE}.damaged-*"))
    bench.buffer.close()
    assert format_of(tmp_path / FILE) == VERSION


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_migrated_file_has_the_tables_of_a_new_one(tmp_path: Path, version: int) -> None:
    """Whichever release made the file, its tables and indexes are the same in the end."""
    older_file(tmp_path, TestBox(), version)
    Buffer(tmp_path / FILE).close()
    Buffer(tmp_path / "new.db").close()

    assert tables(tmp_path / FILE) == tables(tmp_path / "new.db")


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails halfway leaves the file at the version it had, and the next start goes on from there."""
    made = older_file(tmp_path, TestBox(), VERSION - 1)
    before = tables(tmp_path / FILE)
    broken = (*MIGRATIONS[:-1], "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);")
    monkeypatch.setattr("edge_agent.buffer.schema.MIGRATIONS", broken)
    with pytest.raises(BufferError):
        Buffer(tmp_path / FILE)
    monkeypatch.undo()

    assert (format_of(tmp_path / FILE), tables(tmp_path / FILE)) == (VERSION - 1, before)
    Buffer(tmp_path / FILE).close()
    assert format_of(tmp_path / FILE) == VERSION
    assert made


def test_a_file_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An older release says what to do, and changes no byte of it."""
    Buffer(tmp_path / FILE).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.executescript(f"ALTER TABLE fact ADD COLUMN since INTEGER; PRAGMA user_version={VERSION + 1}")
    before = (tmp_path / FILE).read_bytes()

    with pytest.raises(NewerFormat, match="install the newer release"):
        open_buffer(tmp_path, "0214", "box-1", TestBox().seal, NOON)

    assert (tmp_path / FILE).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_version_that_rotted_is_read_off_the_tables(tmp_path: Path, version: int) -> None:
    """No one flipped bit makes a file newer or older than it is: it goes on with every record."""
    box, folder = TestBox(), tmp_path / "file"
    folder.mkdir()
    made = older_file(tmp_path, box, version)
    content = (tmp_path / FILE).read_bytes()
    for bit in (0, 1, 2, 8, 17, 26, 31):
        for file in folder.iterdir():
            file.unlink()
        said = version ^ 1 << bit
        (folder / FILE).write_bytes(content[:60] + said.to_bytes(4, "big") + content[64:])

        bench = Bench(folder, TestBox(box.hq, box.key))
        while bench.core.uncut:
            bench.clock.mono += 1
            bench.step(Tick(0.05, ROOM))
        found = bench.box.read_streams(bench.parcels()).values()
        bench.buffer.close()

        assert all(record in found for record in made)
        assert format_of(folder / FILE) == VERSION
        assert not list(folder.glob(f"{FILE}.damaged-*"))


def test_each_format_has_tables_of_its_own() -> None:
    """Every migration changes a table or an index, so that these alone tell a format."""
    formats = []
    with closing(sqlite3.connect(":memory:")) as db:
        for script in MIGRATIONS:
            db.executescript(script)
            formats.append(db.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall())
    assert all(each not in formats[:at] for at, each in enumerate(formats))


def test_a_database_of_something_else_is_set_aside(tmp_path: Path) -> None:
    """It is kept under another name, and the agent comes up."""
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("CREATE TABLE recipe (name)")

    Bench(tmp_path).buffer.close()

    (aside,) = tmp_path.glob(f"{FILE}.damaged-*")
    assert tables(aside).keys() == {"recipe"}


def tables(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as db:
        return {
            name: " ".join(sql.split())
            for name, sql in db.execute("SELECT name, sql FROM sqlite_master WHERE sql > ''")
        }


def format_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


# --- SQLite's WAL-reset fault ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "faulty"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_fault_are_known(version: tuple[int, int, int], faulty: bool) -> None:
    """The fault's range, its patched branches, and what follows."""
    assert may_lose(version) is faulty


def test_a_second_connection_is_refused_where_it_may_lose_data() -> None:
    """Below the fixed versions a file that is not held alone is not used; above them it is."""
    with pytest.raises(TwoConnections, match=r"SQLite 3\.40\.1 .* install SQLite 3\.51\.3"):
        require_alone("normal", (3, 40, 1))
    require_alone("exclusive", (3, 40, 1))
    require_alone("normal", (3, 51, 3))


def test_one_connection_alone(tmp_path: Path) -> None:
    """While the buffer is open nobody else gets at the file, in this process or another."""
    buffer = Buffer(tmp_path / FILE)
    with closing(sqlite3.connect(tmp_path / FILE, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
        other.execute("SELECT * FROM lane").fetchall()
    with pytest.raises(BufferError, match="locked"):
        Buffer(tmp_path / FILE)
    buffer.close()
