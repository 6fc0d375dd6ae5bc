"""Opening the buffer, whatever an earlier start or rot left of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from edge_agent.buffer.schema import PAGE
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.messages import Accept, Flush
from edge_agent.recorder.opening import FILE, open_buffer
from tests.edge_agent.boxes import NOON, HandClock, TestBox, some_records
from tests.edge_agent.test_recorder import Bench


def test_a_stream_says_what_it_is_though_its_first_start_was_cut_off(tmp_path: Path) -> None:
    """A process that dies between making the file and its first transaction leaves that to the next one."""
    box = TestBox()
    cut_off = open_buffer(tmp_path, "0214", "box-1", box.seal, NOON)
    cut_off.buffer.close()

    again = open_buffer(tmp_path, "0214", "box-1", box.seal, NOON)

    assert (again.identity, again.reason) == (cut_off.identity, "new")
    core = Recorder(again.identity, again.view, box.seal, Policy())
    (commit,) = core.start(HandClock().now(), again.reason, again.gaps)
    again.buffer.apply(commit.transaction)
    again.buffer.close()
    assert open_buffer(tmp_path, "0214", "box-1", box.seal, NOON).reason is None


def test_what_drivers_keep_is_saved_of_a_file_that_is_found_damaged(tmp_path: Path) -> None:
    """The page that says which stream it is is gone; cursors and source identities on other pages are not."""
    bench = Bench(tmp_path)
    key = bench.core.identity_key("till-1", "01/1")
    bench.step(Accept(None, some_records(1), [key], {("till-1", "file"): b"17"}, frozenset()))
    bench.step(Flush())
    bench.buffer.close()
    _wreck(tmp_path / FILE, "stream")

    opened = open_buffer(tmp_path, "0214", "box-1", bench.box.seal, NOON)

    assert opened.reason == "salvaged"
    assert opened.buffer.state("till-1") == {"file": b"17"}
    assert opened.buffer.seen([key]) == {key}


def _wreck(path: Path, table: str) -> None:
    """Writes over the root page of a table."""
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)
