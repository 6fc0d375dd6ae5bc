"""Opening the buffer, whatever an earlier start or rot left of it."""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from edge_agent.buffer import Buffer
from edge_agent.buffer.connection import Connection
from edge_agent.buffer.salvage import salvage
from edge_agent.buffer.schema import PAGE, PRAGMAS
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.messages import Accept, Flush, Tick
from edge_agent.recorder.opening import FILE, open_buffer
from records import Lane, lane_of
from records.types import StreamOpen
from tests.edge_agent.boxes import NOON, HandClock, TestBox, some_records
from tests.edge_agent.test_recorder import ROOM, Bench, accept


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


@pytest.mark.parametrize("table", ["stream", "outbox_grace"])
def test_what_drivers_keep_is_saved_of_a_file_that_is_found_damaged(tmp_path: Path, table: str) -> None:
    """The page that says which stream it is, or which batches are settled, is gone; cursors and source identities are
    on others."""
    bench = Bench(tmp_path)
    key = bench.core.identity_key("till-1", "01/1")
    bench.step(Accept(None, some_records(1), [key], {("till-1", "file"): b"17"}, frozenset()))
    bench.step(Flush())
    bench.buffer.close()
    _wreck(tmp_path / FILE, table)

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


def test_sources_are_known_again_after_a_salvage(tmp_path: Path) -> None:
    """The new stream keeps the secret by which identities are hashed: what a till brings again is not taken twice."""
    bench = Bench(tmp_path)
    key = bench.core.identity_key("till-1", "01/1")
    bench.step(Accept(None, some_records(1), [key], {}, frozenset()))
    bench.step(Flush())
    bench.buffer.close()
    _wreck(tmp_path / FILE, "lane")

    again = Bench(tmp_path, bench.box)

    assert again.core.identity.stream != bench.core.identity.stream
    assert again.core.identity_key("till-1", "01/1") == key
    assert again.buffer.seen([key]) == {key}


def test_a_second_salvage_keeps_the_streams_apart(tmp_path: Path) -> None:
    """A file that holds batches of an earlier stream is damaged too: equal numbers of both streams are all there."""
    box, made = TestBox(), some_records(600)
    for life, records in enumerate((made[:300], made[300:])):
        bench = Bench(tmp_path, box)
        bench.step(accept(records))
        bench.step(Flush())
        bench.buffer.close()
        if not life:
            _wreck(tmp_path / FILE, "lane")
            Bench(tmp_path, box).buffer.close()
    _wreck(tmp_path / FILE, "lane")

    last = Bench(tmp_path, box)
    cut_all(last)
    found = box.read_streams(last.parcels())

    assert len({stream for stream, _, _ in found}) == 3
    assert all(record in found.values() for record in made)


def test_a_salvage_without_room_for_all_begins_with_sales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent comes up with what fits; the rest is in the file that was set aside, and can be taken in later."""
    box, made = TestBox(), some_records(4000)
    bench = Bench(tmp_path, box)
    for at in range(0, len(made), 50):  # batches as small as a live link makes them
        bench.step(accept(made[at : at + 50]))
        bench.step(Flush())
        cut_all(bench)
    counts = bench.buffer.inspection.lane(Lane.NORMAL).bytes
    bench.buffer.close()
    _wreck(tmp_path / FILE, "lane")
    (tmp_path / "roomy").mkdir()
    (tmp_path / "roomy" / FILE).write_bytes((tmp_path / FILE).read_bytes())
    Bench(tmp_path / "roomy", box).buffer.close()
    pages = ((tmp_path / "roomy" / FILE).stat().st_size - counts // 2) // PAGE
    with monkeypatch.context() as patch:
        patch.setattr("edge_agent.buffer.adoption.AT_ONCE", 4)
        patch.setattr("edge_agent.buffer.schema.PRAGMAS", (*PRAGMAS, f"PRAGMA max_page_count={pages}"))
        some = Bench(tmp_path, box)
    found = box.read_streams(some.parcels())
    (aside,) = tmp_path.glob(f"{FILE}.damaged-*[0-9]")

    sales = [record for record in made if lane_of(record.data) is Lane.VITAL]
    assert all(record in found.values() for record in sales)
    assert not all(record in found.values() for record in made)
    some.buffer.adoption.all(salvage(aside, box.seal.public), 0)
    whole = TestBox(box.hq, box.key).read_streams(some.parcels())
    assert all(record in whole.values() for record in made)


def cut_all(bench: Bench) -> None:
    while bench.core.uncut:
        bench.clock.mono += 1
        bench.step(Tick(1.0, ROOM))


class Halt(Exception):
    """The process ends here."""


def test_a_crash_while_a_damaged_file_is_replaced_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever change of the folder or commit was the last, the next start has every record, once."""
    box, made = TestBox(), some_records(300)
    for steps in count():
        folder = tmp_path / str(steps)
        folder.mkdir()
        bench = Bench(folder, box)
        bench.step(accept(made))
        bench.step(Flush())
        bench.buffer.close()
        _wreck(folder / FILE, "lane")
        with monkeypatch.context() as patch:
            halted = _open_halting(folder, box, patch, steps)
        gc.collect()

        again = Bench(folder, TestBox(box.hq, box.key))
        cut_all(again)
        found = again.box.read_streams(again.parcels()).values()
        again.buffer.close()
        assert sum(record in found for record in made) == len(made)
        assert sum(isinstance(record.data, StreamOpen) and record.data.reason == "salvaged" for record in found) == 1
        if not halted:
            break
    assert steps > 10


def _open_halting(folder: Path, box: TestBox, patch: pytest.MonkeyPatch, steps: int) -> bool:
    """Opens the buffer and ends after so many steps; whether there were more."""
    left = iter(range(steps))

    def halting(work: Callable[..., object]) -> Callable[..., object]:
        def stopped(*told: object, **named: object) -> object:
            if next(left, None) is None:
                raise Halt
            return work(*told, **named)

        return stopped

    for place, name in [(Path, "rename"), (Path, "unlink"), (os, "link"), (os, "fsync"), (Connection, "close")]:
        patch.setattr(place, name, halting(getattr(place, name)))
    patch.setattr(Connection, "transaction", contextmanager(halting(Connection.transaction.__wrapped__)))
    with suppress(Halt):
        open_buffer(folder, "0214", "box-1", box.seal, NOON).buffer.close()
        return False
    return True


def test_a_clean_stop_keeps_the_room_of_the_log_and_nothing_in_it(tmp_path: Path) -> None:
    """The file is whole by itself, in place and as a copy; the next start finds the log as large as it was."""
    bench = Bench(tmp_path)
    for at in range(5):
        bench.step(accept(some_records(100, seed=at)))
        bench.step(Flush())
    log, wanted = tmp_path / f"{FILE}-wal", bench.buffer.view()
    size = log.stat().st_size
    bench.buffer.leave()

    assert {path.name for path in tmp_path.iterdir()} == {FILE, log.name}
    assert log.stat().st_size == size > 100_000
    content, empty = (tmp_path / FILE).read_bytes(), log.read_bytes()
    for path in (tmp_path / "alone.db", tmp_path / "with-log.db", tmp_path / "salvaged.db"):
        path.write_bytes(content)
        if path.stem != "alone":
            path.with_name(path.name + "-wal").write_bytes(empty)
    assert salvage(tmp_path / "salvaged.db", bench.box.seal.public).next == wanted.next
    for path in (tmp_path / "alone.db", tmp_path / "with-log.db", tmp_path / FILE):
        with closing(Buffer(path)) as buffer:
            assert buffer.view() == wanted


def test_a_stop_that_was_killed_leaves_nothing_over(tmp_path: Path) -> None:
    """The log's second name goes with the next start, and what stands in the log is read."""
    bench = Bench(tmp_path)
    bench.step(accept(some_records(100)))
    bench.step(Flush())
    os.link(tmp_path / f"{FILE}-wal", tmp_path / f"{FILE}-room")
    died = tmp_path / "died"
    died.mkdir()
    for path in tmp_path.glob(f"{FILE}*"):
        (died / path.name).write_bytes(path.read_bytes())

    with closing(Buffer(died / FILE)) as buffer:
        assert buffer.view() == bench.buffer.view()
        assert not (died / f"{FILE}-room").exists()
    bench.buffer.close()
