"""Rot and damaged pages: noticed, named, and no more lost than what stood there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.seal.dictionary import Zstd
from edge_agent.buffer import Buffer, BufferDamaged
from edge_agent.buffer.salvage import gaps, salvage
from edge_agent.buffer.schema import PAGE
from edge_agent.buffer.transaction import row_id
from edge_agent.recorder import messages
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.cutting import Piece, cut
from edge_agent.recorder.desk import Asked, Desk, Submission
from edge_agent.recorder.messages import CutDone
from edge_agent.recorder.opening import FILE, open_buffer
from edge_agent.recorder.shell import RecorderThread
from records import Lane, Record
from records.types import DeviceHealth, Loss, StreamOpen
from simulation.world.keeper import Keeper, NearDesk
from tests.edge_agent.boxes import NOON, HandClock, TestBox, some_records
from tests.edge_agent.test_recorder import AMPLE, ROOM, Bench, accept, running, until

BOX = TestBox()
COUNT = 1500
FLIPS = 20


class Found(NamedTuple):
    """What HQ would read of a box: the stream filled by `fill`, and the tombstones of any other."""

    records: dict[tuple[Lane, int], Record]
    losses: list[Loss]

    @property
    def named(self) -> set[tuple[Lane, int]]:
        """Numbers that a tombstone names."""
        spans = ((Lane(loss.lane or 0), loss.first or 0, loss.last or 0) for loss in self.losses)
        return {(lane, seq) for lane, first, last in spans for seq in range(first, last + 1)}


def fill(folder: Path, box: TestBox, *, cut: bool) -> tuple[bytes, set[tuple[Lane, int]]]:
    """A closed buffer of one epoch, as batches or as rows; its stream, and the numbers that are in it."""
    bench = Bench(folder, box)
    for at in range(0, COUNT, 100):
        bench.step(accept(some_records(100, seed=at)))
        bench.step(messages.Flush())
    if cut:
        cut_all(bench)
    numbers = {(lane, seq) for lane in Lane for seq in range(1, bench.core.next[lane])}
    bench.buffer.close()
    return bench.core.identity.stream, numbers


def cut_all(bench: Bench) -> None:
    """Until no row waits, in batches as small as a live link makes them."""
    while bench.core.uncut:
        bench.clock.mono += 1
        bench.step(messages.Tick(0.05, ROOM))


def look(folder: Path, box: TestBox, stream: bytes) -> Found:
    """Runs a recorder on the file until everything is cut, and reads all of it."""
    with running(folder, box) as (desk, recorder):
        until(lambda: at_rest(desk, recorder), "everything to be cut")
        read = box.read_streams(desk.parcels(frozenset(), 10_000))
    kept = {(lane, seq): record for (own, lane, seq), record in read.items() if own == stream}
    losses = [record.data for record in read.values() if isinstance(record.data, Loss)]
    return Found(kept, losses)


def at_rest(desk: Desk, recorder: RecorderThread) -> bool:
    """No row waits to be cut, and another look at every batch finds nothing new damaged."""
    before = recorder.status().accepted
    desk.parcels(frozenset(), 10_000)
    status = recorder.status()
    return status.accepted == before == status.cut


def damage(path: Path, page: int, rng: Random) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(rng.randbytes(PAGE))


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_page_costs_what_stood_on_it(tmp_path: Path, cut: bool, every: int) -> None:
    """Of a file with one page trashed, everything else is saved, and what is missing is named."""
    box, rng = TestBox(), Random(3)
    whole = tmp_path / "whole"
    whole.mkdir()
    stream, numbers = fill(whole, box, cut=cut)
    original = (whole / FILE).read_bytes()
    worst = 0
    for page in range(1, len(original) // PAGE + 1, every):
        folder = tmp_path / f"page-{page}"
        folder.mkdir()
        (folder / FILE).write_bytes(original)
        damage(folder / FILE, page, rng)

        found = look(folder, box, stream)

        lost = numbers - set(found.records)
        worst = max(worst, len(lost))
        assert lost <= found.named, f"page {page}: {len(lost)} lost, {len(lost - found.named)} of them not named"
        assert len(lost) <= (COUNT if cut else 100), f"page {page}"
    assert len(original) // PAGE > 20
    assert worst > 0


def test_every_flipped_bit_of_a_stored_record_is_noticed(tmp_path: Path) -> None:
    """HQ never reads a record that is not what was accepted: it is whole, or it is gone and named."""
    box, rng = TestBox(), Random(4)
    whole = tmp_path / "whole"
    whole.mkdir()
    stream, numbers = fill(whole, box, cut=False)
    truth = look(copied(whole, tmp_path / "truth"), box, stream).records
    assert set(truth) == numbers
    changed = 0
    for flip in range(FLIPS):
        folder = copied(whole, tmp_path / f"flip-{flip}")
        with (folder / FILE).open("r+b") as file:
            at = rng.randrange(len((folder / FILE).read_bytes()))
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ (1 << rng.randrange(8))]))

        found = look(folder, box, stream)

        lost = numbers - set(found.records)
        changed += bool(lost)
        assert all(0 <= (loss.last or 0) - (loss.first or 0) < COUNT for loss in found.losses)
        assert lost <= found.named
        assert all(found.records[key] == truth[key] for key in numbers - lost)
    assert changed > FLIPS // 10


def test_a_sealed_record_that_became_text_is_damage(tmp_path: Path) -> None:
    """A bit says text where bytes stand, which Python cannot read: the file is salvaged, not tried again for ever."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=False)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("UPDATE journal SET sealed = CAST(sealed AS TEXT) WHERE id = 20").rowcount == 1
        db.commit()

    assert set(look(tmp_path, box, stream).records) == numbers
    assert list(tmp_path.glob(f"{FILE}.damaged-*"))


def copied(source: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / FILE).write_bytes((source / FILE).read_bytes())
    return folder


def test_a_header_survives_any_one_damaged_copy(tmp_path: Path) -> None:
    """Two of the three copies of an epoch's header may be lost."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=True)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("UPDATE header_a SET raw = zeroblob(2000)")
        db.execute("DELETE FROM header_b")
        db.commit()

    assert set(look(tmp_path, box, stream).records) == numbers


def test_damage_found_while_running_is_salvaged_at_once(tmp_path: Path) -> None:
    """The recorder goes on in a fresh file: what it had confirmed and what was on its way are both there."""
    box = TestBox()
    with running(tmp_path, box) as (desk, _):
        for n in range(300):
            desk.submit(Submission("door-1", [health(n)], [None], {"n": b"%d" % n})).result(60)
        desk.ask(lambda buffer: buffer._db.all("PRAGMA wal_checkpoint(TRUNCATE)"))
        stream = desk.ask(lambda buffer: buffer.view().identity).stream
        size = (tmp_path / FILE).stat().st_size
        for page in range(2, size // PAGE):
            damage(tmp_path / FILE, page, Random(page))
        desk.ask(lambda buffer: buffer._db.all("PRAGMA cache_size=0"))
        tickets = [desk.submit(Submission("door-1", [health(n)], [None], {})) for n in range(300, 600)]
        for ticket in tickets:
            ticket.result(60)

    assert list(tmp_path.glob(f"{FILE}.damaged-*"))
    with running(tmp_path, box) as (desk, recorder):
        until(lambda: at_rest(desk, recorder), "everything to be cut")
        read = box.read_streams(desk.parcels(frozenset(), 10_000))
    opened = [record.data for record in read.values() if isinstance(record.data, StreamOpen)]
    assert [said.reason for said in opened] == ["salvaged"]
    assert opened[0].previous == stream.hex()
    told = {record.data.reason for record in read.values() if isinstance(record.data, DeviceHealth)}
    assert {str(n) for n in range(300, 600)} <= told


def test_what_was_remembered_outlives_a_damaged_file(tmp_path: Path) -> None:
    """Counters go on in the fresh file: HQ's lowest serial, and what was refused and is not told yet."""
    bench = Bench(tmp_path)
    bench.step(messages.Remember("lowest_serial", 7))
    bench.step(messages.Remember("refused.door.count", 3))
    bench.buffer.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("UPDATE lane SET sum = sum + 1")
        db.commit()

    found = look(tmp_path, bench.box, bench.core.identity.stream)

    assert list(tmp_path.glob(f"{FILE}.damaged-*"))
    assert [(loss.count, loss.types) for loss in found.losses if loss.reason == "refused"] == [(3, {"door.count": 3})]
    with closing(Buffer(tmp_path / FILE)) as buffer:
        facts = buffer.view().facts
    assert (facts["lowest_serial"], facts["refused.door.count"]) == (7, 0)


def test_what_the_cutter_had_of_a_damaged_file_cuts_nothing_of_the_next(tmp_path: Path) -> None:
    """A batch that comes late is of another stream: its rows were saved, and those of the same numbers stay."""
    box, clock, pieces, told = TestBox(), HandClock(), list[Piece](), list[Buffer]()
    opened = open_buffer(tmp_path, "0214", "box-1", box.seal, NOON)
    core, desk = Recorder(opened.identity, opened.view, box.seal, Policy()), NearDesk(lambda: None)
    keeper = Keeper(opened.buffer, core, desk, clock, box.seal, AMPLE, lambda _: None, pieces.append)

    def turn() -> None:
        clock.mono += 5
        keeper.turn()

    def cut_one() -> None:
        piece = pieces.pop(0)
        desk.tell(CutDone(cut(piece, Zstd(), box.seal.random, clock.now()), piece.stream))
        turn()

    def damaged(buffer: Buffer) -> None:
        told.append(buffer)
        if len(told) == 1:
            raise BufferDamaged("a page that makes no sense")

    keeper.start(opened.reason, opened.gaps)
    desk.submit(Submission("door-1", [health(n) for n in range(100)], [None] * 100, {}))
    turn()
    cut_one()  # of the vital lane
    assert [len(piece.rows) for piece in pieces] == [100]
    desk.jobs.put(Asked(damaged))
    keeper.turn()
    assert keeper.core.identity.previous == core.identity.stream
    desk.submit(Submission("door-1", [health(n) for n in range(100, 200)], [None] * 100, {}))
    keeper.turn()
    cut_one()
    while pieces or keeper.core.uncut:
        if pieces:
            cut_one()
        turn()
    parcels = keeper.buffer.outbox.parcels(frozenset(), 10_000)
    keeper.buffer.close()

    read = [record.data for record in box.read_streams(parcels).values()]
    assert sorted(int(data.reason) for data in read if isinstance(data, DeviceHealth)) == list(range(200))
    assert sorted(data.reason for data in read if isinstance(data, StreamOpen)) == ["new", "salvaged"]
    assert not any(isinstance(data, Loss) for data in read)


def health(number: int) -> Record:
    return Record("door-1", NOON, DeviceHealth(state="down", reason=str(number)))


@given(st.binary(max_size=40_000), st.binary(max_size=10_000))
def test_a_file_of_any_bytes_is_salvaged_to_the_end(data: bytes, log: bytes) -> None:
    """Whatever stands in file and log, the salvage ends, and finds nothing that no box signed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(data)
        path.with_name(path.name + "-wal").write_bytes(log)
        found = salvage(path, BOX.seal.public)

    assert (found.rows, found.batches, found.epochs) == ([], [], {})


@cache
def real_file() -> bytes:
    with TemporaryDirectory() as folder:
        fill(Path(folder), BOX, cut=False)
        return (Path(folder) / FILE).read_bytes()


@given(st.data())
def test_a_damaged_file_is_salvaged_to_the_end(data: st.DataObject) -> None:
    """Cut anywhere and overwritten anywhere, a real file gives what is whole and no error."""
    whole = real_file()
    at = data.draw(st.integers(0, len(whole)))
    patch = data.draw(st.binary(max_size=64))
    end = data.draw(st.integers(at, len(whole)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes((whole[:at] + patch + whole[at + len(patch) :])[:end])
        found = salvage(path, BOX.seal.public)

    assert all(row.whole for row in found.rows)


def test_a_flipped_bit_settles_no_batch(tmp_path: Path) -> None:
    """One bit makes a zero of "not settled": the batch is sent, and goes to make room with a tombstone alone."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=True)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        changed = db.execute("UPDATE outbox SET settled_us = 0").rowcount
        db.commit()
    assert changed > 1
    assert set(look(tmp_path, box, stream).records) == numbers


@pytest.mark.parametrize("seq", [COUNT // 2, COUNT])
def test_a_number_that_rotted_names_nothing_that_was_not_given(tmp_path: Path, seq: int) -> None:
    """A high bit of a row's number flips, in the middle or at the end of its lane: that row is lost, no others."""
    box = TestBox()
    stream, numbers = fill(tmp_path, box, cut=False)
    last = max(seq for lane, seq in numbers if lane is Lane.NORMAL)
    row = row_id(Lane.NORMAL, min(seq, last))
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("UPDATE journal SET id = id + (1 << 41) WHERE id = ?", (row,)).rowcount == 1
        db.commit()

    found = look(tmp_path, box, stream)

    assert numbers - set(found.records) == {(Lane.NORMAL, min(seq, last))}
    assert [(loss.first, loss.last) for loss in found.losses] == [(min(seq, last), min(seq, last))]


def test_numbers_are_lost_of_the_epoch_that_gave_them(tmp_path: Path) -> None:
    """Of epochs that begin with the same numbers, since the box was started again and again, the last one gave them."""
    box, giver = TestBox(), b""
    for count in (0, 0, 0, 0, 10, 0):
        bench = Bench(tmp_path, box)
        if count:
            giver = bench.core.epoch
            bench.step(accept(some_records(count)))
            bench.step(messages.Flush())
        bench.buffer.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("DELETE FROM journal WHERE id <> ?", (row_id(Lane.VITAL, 1),))  # the stream's opening stays
        db.commit()

    lost = gaps(salvage(tmp_path / FILE, box.seal.public))

    assert sum(gap.last - gap.first + 1 for gap in lost) == 10
    assert {gap.epoch for gap in lost} == {giver}


@pytest.mark.parametrize("column", ["first", "last", "lane"])
def test_a_batchs_own_content_says_what_is_in_it(tmp_path: Path, column: str) -> None:
    """A bit of a column flips: tombstones, and what a salvage misses, go by the batch itself."""
    box = TestBox()
    _, numbers = fill(tmp_path, box, cut=True)
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        flip = "lane = 3 - lane" if column == "lane" else f"{column} = {column} + (1 << 41)"
        db.execute(f"UPDATE outbox SET {flip} WHERE lane > 0")  # noqa: S608 (our own columns)
        db.commit()
    with closing(Buffer(tmp_path / FILE)) as buffer:
        entries = buffer.outbox.evictable(2**40, frozenset(), 0)
    spans = {(entry.lane, seq) for entry in entries for seq in range(entry.first, entry.last + 1)}
    assert spans == {key for key in numbers if key[0] is not Lane.VITAL} != set()
    assert gaps(salvage(tmp_path / FILE, box.seal.public)) == []
