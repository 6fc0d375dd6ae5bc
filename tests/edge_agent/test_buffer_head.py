"""Rot in what every buffer says of itself: the file's head, the words of its tables, whose stream it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from struct import unpack_from

import pytest

from edge_agent.buffer import Buffer, BufferDamaged, BufferError
from edge_agent.buffer.connection import wrapped
from edge_agent.buffer.salvage import salvage
from edge_agent.buffer.transaction import row_id
from edge_agent.recorder.opening import FILE, open_buffer
from records import Lane
from tests.edge_agent.boxes import NOON, TestBox
from tests.edge_agent.test_buffer_damage import fill, look


@pytest.mark.parametrize(
    ("was", "becomes"), [(b"CREATE TABLE journal", b"C\xd2EATE TABLE journal"), (b"NULL", b"N\xd5LL")]
)
def test_a_schema_that_is_no_text_any_more_is_damage(tmp_path: Path, was: bytes, becomes: bytes) -> None:
    """What SQLite says of such a file is no text either; the agent starts with what was saved all the same."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=False)
    content = (tmp_path / FILE).read_bytes()
    assert was in content
    (tmp_path / FILE).write_bytes(content.replace(was, becomes, 1))

    assert set(look(tmp_path, box, stream).records) == numbers


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"receipted INTEGER NOT NULL DEFAULT 0", b"receipted INTEGER NOT NULL DEFAULT 1"),
        (b"transaction", b"transactioo"),
    ],
)
def test_one_bit_of_the_words_that_every_buffer_has_is_damage(tmp_path: Path, was: bytes, becomes: bytes) -> None:
    """Headers that nobody would send, a counter that is not there: the file is salvaged instead."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=False)
    content = (tmp_path / FILE).read_bytes()
    assert content.count(was) == 1
    (tmp_path / FILE).write_bytes(content.replace(was, becomes))

    found = look(tmp_path, box, stream)

    assert (set(found.records), found.losses) == (numbers, [])
    assert list(tmp_path.glob(f"{FILE}.damaged-*"))


@pytest.mark.parametrize("table", ["header_a", "header_b", "header_c"])
def test_a_header_under_a_rotten_number_is_not_another_epochs(tmp_path: Path, table: str) -> None:
    """The number that most of its copies have is the epoch's, and its rows are saved."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=False)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute(f"UPDATE {table} SET ordinal = ordinal + 64").rowcount == 1  # noqa: S608 (our own names)
        db.commit()

    found = look(tmp_path, box, stream)

    assert (set(found.records), found.losses) == (numbers, [])
    assert list(tmp_path.glob(f"{FILE}.damaged-*"))


def test_a_rotten_name_of_the_stream_is_noticed(tmp_path: Path) -> None:
    """The newest epoch's header says under signature which stream it is; that one ends, and the next names it."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=False)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("UPDATE stream SET stream = ?", (bytes([stream[0] ^ 1]) + stream[1:],))
        db.execute(
            "DELETE FROM journal WHERE id = (SELECT max(id) FROM journal WHERE id < ?)", (row_id(Lane.NORMAL, 0),)
        )
        db.commit()

    found = look(tmp_path, box, stream)
    opened = open_buffer(tmp_path, "0214", "box-1", box.seal, NOON)
    opened.buffer.close()

    assert opened.identity.previous == stream
    last = max(seq for lane, seq in numbers if lane is Lane.VITAL)
    assert numbers - set(found.records) == {(Lane.VITAL, last)} == found.named


def test_a_head_that_forbids_writing_is_damage_and_a_disk_that_does_may_pass(tmp_path: Path) -> None:
    """SQLite has one error for both: the one is salvaged, with the other the agent waits."""
    assert type(_not_written(tmp_path, 2)) is BufferError
    assert type(_not_written(tmp_path, 3)) is BufferDamaged


def _not_written(folder: Path, writer: int) -> BufferError:
    """The error of writing through a connection that may only read, to a file of this format's version."""
    path = folder / f"{writer}.db"
    Buffer(path).close()
    content = path.read_bytes()
    path.write_bytes(content[:18] + bytes([writer]) + content[19:])
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as db:
        with pytest.raises(sqlite3.OperationalError) as caught:
            db.execute("INSERT INTO fact VALUES ('x', 1)")
        assert caught.value.sqlite_errorcode == sqlite3.SQLITE_READONLY
        return wrapped(caught.value, path)


def test_a_head_that_speaks_of_maps_of_pages_is_damage(tmp_path: Path) -> None:
    """SQLite would write such maps over pages that are in use, so the file is salvaged before anything is written."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=False)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:53] + b"\x01" + content[54:])

    with pytest.raises(BufferDamaged, match="maps of its pages"):
        Buffer(tmp_path / FILE)
    assert set(look(tmp_path, box, stream).records) == numbers


def test_a_rotten_list_of_free_pages_hides_no_page(tmp_path: Path) -> None:
    """Wherever one bit makes it begin, a salvage finds what it finds with the list that was written."""
    box = TestBox()
    fill(tmp_path, box, cut=True)
    content = (tmp_path / FILE).read_bytes()
    (begin,) = unpack_from(">I", content, 32)
    assert begin
    whole = batches_in(tmp_path / FILE, box)
    for bit in range(8):
        (tmp_path / FILE).write_bytes(content[:32] + (begin ^ 1 << bit).to_bytes(4, "big") + content[36:])
        assert batches_in(tmp_path / FILE, box) == whole


def batches_in(path: Path, box: TestBox) -> set[bytes]:
    return {batch.digest for batch in salvage(path, box.seal.public).batches}
