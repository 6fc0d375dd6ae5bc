"""The recorder's core and its threads, over real buffer files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from math import inf
from pathlib import Path
from random import Random

import pytest

from cloud_sync.uplink.messages import Fetch
from cloud_sync.wire.topics import Up
from edge_agent.buffer import Buffer, BufferError, Transaction
from edge_agent.buffer.space import Limits, Room
from edge_agent.clock import SystemClock
from edge_agent.recorder import core, messages
from edge_agent.recorder.core import Policy, Recorder
from edge_agent.recorder.cutting import Piece, cut
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.recorder.epochs import BoxSeal
from edge_agent.recorder.messages import Accept, Commit, Confirm, Cut
from edge_agent.recorder.opening import FILE, open_buffer
from edge_agent.recorder.shell import RecorderThread
from records import Lane, Record, lane_of, to_wire
from records.types import DeviceHealth, Loss, PosSale, Quarantine, SaleLine, StreamOpen
from tests.edge_agent.boxes import NOON, HandClock, TestBox, folder_bytes, some_records

DEFAULT = Policy()
AMPLE = Limits(budget=2**31, floor=0, reserve=8 * 2**20)
ROOM = Room(2**30, 2**30)


def accept(records: list[Record], ticket: object = None, **kept: object) -> Accept:
    return Accept(ticket, records, [None] * len(records), {}, frozenset())


class Bench:
    """A recorder's core over a real file, stepped by hand."""

    def __init__(self, folder: Path, box: TestBox | None = None, policy: Policy = DEFAULT) -> None:
        self.folder = folder
        self.box = box or TestBox()
        self.clock = HandClock()
        opened = open_buffer(folder, "0214", "box-1", self.box.seal, NOON)
        self.buffer = opened.buffer
        self.core = Recorder(opened.identity, opened.view, self.box.seal, policy)
        self.confirmed: list[object] = []
        self.run(self.core.start(self.clock.now(), opened.reason))

    def step(self, event: messages.Event) -> None:
        self.run(self.core.step(event, self.clock.now()))

    def run(self, effects: list[messages.Effect]) -> None:
        for effect in effects:
            match effect:
                case Commit(transaction):
                    self.buffer.apply(transaction)
                    self.step(messages.Committed())
                case Confirm(tickets):
                    self.confirmed += tickets
                case Cut(lane):
                    self.cut(lane)

    def cut(self, lane: Lane) -> None:
        rows = self.buffer.rows(lane, self.core.cut[lane], self.core.accepted[lane], 2000, 2**18)
        stream, epoch = self.core.identity.stream, rows[0].epoch
        piece = Piece(rows, stream, self.buffer.epoch(epoch), self.core.key(epoch))
        self.step(messages.CutDone(cut(piece, self.core._zstd, self.box.seal.random, self.clock.now()), stream))

    def parcels(self) -> list:
        return self.buffer.outbox.parcels(frozenset(), 10_000)


def drained(bench: Bench) -> dict:
    """Lets everything be cut, and reads it as HQ would."""
    while bench.core.uncut:
        bench.clock.mono += 1
        bench.step(messages.Tick(0.05, ROOM))
    return bench.box.read(bench.parcels())


def test_numbers_are_contiguous_in_each_lane(tmp_path: Path) -> None:
    """HQ finds every accepted record under the next number of its lane, in the order of acceptance."""
    bench = Bench(tmp_path)
    made = some_records(300)
    bench.step(accept(made))
    bench.step(messages.Flush())

    found = drained(bench)

    for lane in Lane:
        wanted = [record for record in made if lane_of(record.data) is lane]
        got = [found[key] for key in sorted(found) if key[0] is lane]
        opening = [StreamOpen] if lane is Lane.VITAL else []
        assert [type(record.data) for record in got[: len(opening)]] == opening
        assert got[len(opening) :] == wanted


def test_a_confirmation_follows_the_commit(tmp_path: Path) -> None:
    """No ticket is confirmed while its transaction is under way."""
    bench = Bench(tmp_path)
    bench.step(accept(some_records(3), ticket="t"))
    effects = bench.core.step(messages.Flush(), bench.clock.now())

    assert [type(effect) for effect in effects] == [Commit]
    assert bench.confirmed == []
    bench.run(effects)
    assert bench.confirmed == ["t"]


@pytest.mark.parametrize("landed", [True, False])
def test_after_an_error_the_same_records_keep_their_numbers(tmp_path: Path, landed: bool) -> None:
    """Whether or not the failed commit reached the disk, its records are there once, under the same numbers."""
    bench = Bench(tmp_path)
    bench.step(accept(some_records(50), ticket="t"))
    (commit,) = bench.core.step(messages.Flush(), bench.clock.now())
    assert isinstance(commit, Commit)
    if landed:
        bench.buffer.apply(commit.transaction)
    bench.buffer.close()
    bench.buffer = Buffer(tmp_path / FILE)

    bench.step(messages.Reopened(bench.buffer.view()))

    assert bench.confirmed == ["t"]
    found = drained(bench)
    assert len(found) == 51
    assert sorted(seq for lane, seq in found if lane is Lane.VITAL) == list(range(1, bench.core.next[Lane.VITAL]))


def test_an_identity_is_taken_once(tmp_path: Path) -> None:
    """A second reading of the same source event is dropped, within a group and over a restart."""
    bench = Bench(tmp_path)
    record = some_records(1)[0]
    key = bench.core.identity_key("door-1", "AA:BB/2026-11-20T09:00")
    for _ in range(2):
        bench.step(Accept(None, [record], [key], {}, bench.buffer.seen([key])))
    bench.step(messages.Flush())
    bench.buffer.close()

    again = Bench(tmp_path, bench.box)
    again.step(Accept(None, [record], [key], {}, again.buffer.seen([key])))
    again.step(messages.Flush())

    assert sum(record == kept for kept in drained(again).values()) == 1


def test_rows_of_a_dropped_key_go_as_they_are(tmp_path: Path) -> None:
    """After a kill the old epoch's key is gone from the box, and HQ still opens every row."""
    bench = Bench(tmp_path)
    made = some_records(200)
    bench.step(accept(made))
    bench.step(messages.Flush())
    bench.buffer.close()  # no cut: the process dies here

    again = Bench(tmp_path, bench.box)
    found = drained(again)

    assert again.core.key(1) is None
    kept = [record for record in found.values() if not isinstance(record.data, StreamOpen)]
    assert sorted(kept, key=str) == sorted(made, key=str)


def test_an_epoch_ends_and_its_key_is_dropped_once_cut(tmp_path: Path) -> None:
    """An old epoch takes no more rows; its key goes when everything it sealed is cut."""
    bench = Bench(tmp_path, policy=Policy(epoch_s=60))
    bench.step(accept(some_records(20)))
    bench.step(messages.Flush())
    first = bench.core.epoch
    bench.clock.mono += 61
    bench.step(messages.Tick(inf, ROOM))

    assert bench.core.epoch != first
    while bench.core.uncut:
        bench.step(messages.Tick(inf, ROOM))
    bench.step(messages.Tick(inf, ROOM))
    assert bench.core.key(1) is None
    assert len(drained(bench)) == 21


def test_a_key_is_dropped_at_its_deadline_cut_or_not(tmp_path: Path) -> None:
    """A cutter that hangs does not keep an ended epoch's key on the box."""
    bench = Bench(tmp_path, policy=Policy(epoch_s=60))
    bench.step(accept(some_records(20)))
    bench.step(messages.Flush())
    bench.clock.mono += 61
    bench.core.step(messages.Tick(inf, ROOM), bench.clock.now())  # a new epoch whose effects hang
    assert bench.core.key(1) is not None

    bench.core.step(messages.Committed(), bench.clock.now())
    bench.clock.mono += core.CLOSING_S
    bench.core.step(messages.Tick(inf, ROOM), bench.clock.now())

    assert bench.core.key(1) is None


def test_a_record_too_large_for_a_batch_is_set_aside(tmp_path: Path) -> None:
    """What no batch could carry becomes a quarantine record that names it."""
    bench = Bench(tmp_path)
    noise = Random(7).randbytes(40_000).hex()  # half of it stays when it is compressed
    huge = Record("till-1", NOON, Quarantine("till-1", noise + noise[::-1]))
    bench.step(accept([huge]))
    bench.step(messages.Flush())

    kept = drained(bench)[Lane.NORMAL, 1].data
    assert isinstance(kept, Quarantine)
    assert "larger than" in kept.reason


def test_a_ticket_of_a_thousand_lines_is_a_sale_like_any_other(tmp_path: Path) -> None:
    """What counts is its size compressed."""
    bench = Bench(tmp_path)
    lines = tuple(
        SaleLine(line=number, kind="sale", item_id=f"{84_000 + number}", name=f"Lantern, white, no. {number}")
        for number in range(1, 1_001)
    )
    sale = PosSale(source_id="-/2026-11-20/7", transaction_id="7", lines=lines, total=Decimal(995))
    bench.step(accept([Record("till-1", NOON, sale)]))
    bench.step(messages.Flush())

    assert len(to_wire(Record("till-1", NOON, sale))) > 60_000
    assert drained(bench)[Lane.VITAL, 2].data == sale


def test_no_batch_expands_to_more_than_headquarters_takes(tmp_path: Path) -> None:
    """Records that compress to next to nothing fill a batch by their own size."""
    bench = Bench(tmp_path)
    made = [Record("till-1", NOON, Quarantine("till-1", f"{number}" + "x" * 20_000)) for number in range(400)]
    bench.step(accept(made))
    bench.step(messages.Flush())

    kept = drained(bench)
    assert [kept[Lane.NORMAL, number].data for number in range(1, 401)] == [record.data for record in made]


def test_nothing_is_readable(tmp_path: Path) -> None:
    """No device name, article, price or customer of a record stands in clear in the buffer's files."""
    bench = Bench(tmp_path)
    made = some_records(900)
    words = {line.name.encode() for record in made for line in getattr(record.data, "lines", ()) if line.name}
    words |= {line.gtin.encode() for record in made for line in getattr(record.data, "lines", ()) if line.gtin}
    bench.step(accept(made))
    bench.step(messages.Flush())
    on_disk = folder_bytes(tmp_path)
    drained(bench)
    on_disk += folder_bytes(tmp_path)

    assert len(words) > 100
    assert len(on_disk) > 100_000
    assert [word for word in words if word in on_disk] == []


def test_a_damaged_file_is_set_aside_and_the_agent_comes_up(tmp_path: Path) -> None:
    """A file that is no database is kept under another name; a new stream says why it began."""
    (tmp_path / FILE).write_bytes(b"not a database, at all, by any means" * 1000)

    bench = Bench(tmp_path)

    (kept,) = tmp_path.glob(f"{FILE}.damaged-*")
    assert kept.read_bytes().startswith(b"not a database")
    said = drained(bench)[Lane.VITAL, 1].data
    assert isinstance(said, StreamOpen)
    assert said.reason == "salvaged"


# --- the threads ---------------------------------------------------------------------------------------------------


class FailingOnce(Buffer):
    """Fails a commit once, before or after the disk has it."""

    fails: tuple[str, ...] = ()

    def apply(self, change: Transaction) -> None:
        when, *rest = self.fails or ("",)
        if change.number > 1 and change.rows and when:
            type(self).fails = tuple(rest)
            if when == "after":
                super().apply(change)
            raise BufferError("the disk says no")
        super().apply(change)


@contextmanager
def recording(
    folder: Path, seal: BoxSeal, kind: type[Buffer] = Buffer, limits: Limits = AMPLE
) -> Iterator[tuple[Desk, RecorderThread]]:
    """The recorder of the box that seals so, in a thread of its own."""
    opened = open_buffer(folder, seal.store, seal.box, seal, NOON)
    opened.buffer.close()
    desk, clock = Desk(), SystemClock()
    recorder = Recorder(opened.identity, opened.view, seal, Policy())
    thread = RecorderThread(kind(folder / FILE), recorder, desk, clock, seal, limits)
    thread.start(opened.reason, opened.gaps)
    work = threading.Thread(target=thread.run)
    work.start()
    try:
        yield desk, thread
    finally:
        thread.stop()
        work.join(60)
        assert not work.is_alive()


def running(
    folder: Path, box: TestBox, kind: type[Buffer] = Buffer, limits: Limits = AMPLE
) -> AbstractContextManager[tuple[Desk, RecorderThread]]:
    return recording(folder, box.seal, kind, limits)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited a minute for: {what}"
        time.sleep(0.01)


def health(number: int) -> Record:
    return Record("door-1", NOON, DeviceHealth(state="down", reason=str(number)))


@pytest.mark.parametrize("fails", [("before",), ("after",), ("before", "before", "after")])
def test_submissions_survive_a_failing_disk(tmp_path: Path, fails: tuple[str, ...]) -> None:
    """Every submission is confirmed in the end, and each record is there exactly once."""
    box = TestBox()
    FailingOnce.fails = fails
    with running(tmp_path, box, FailingOnce) as (desk, _):
        tickets = [desk.submit(Submission("door-1", [health(n)], [None], {"n": b"%d" % n})) for n in range(500)]
        for ticket in tickets:
            ticket.result(60)
        assert FailingOnce.fails == ()
        assert desk.ask(lambda buffer: buffer.state("door-1")) == {"n": b"499"}

    buffer = Buffer(tmp_path / FILE)
    found = box.read(buffer.outbox.parcels(frozenset(), 10_000))
    assert [found[Lane.NORMAL, n + 1].data.reason for n in range(500)] == [str(n) for n in range(500)]


def test_a_batch_leaves_on_its_receipt_alone(tmp_path: Path) -> None:
    """A receipt takes its batch out of the outbox; any other prefix takes nothing."""
    with running(tmp_path, TestBox()) as (desk, _):
        desk.submit(Submission("door-1", [health(1)], [None], {})).result(60)
        until(lambda: len(desk.parcels(frozenset(), 9)) == 3, "header and two batches")
        parcels = desk.parcels(frozenset(), 9)

        desk.receipted((bytes(16),))
        assert desk.parcels(frozenset(), 9) == parcels
        desk.receipted(tuple(parcel.digest[:16] for parcel in parcels))
        until(lambda: desk.parcels(frozenset(), 9) == [], "an empty outbox")


def test_what_is_too_large_for_the_broker_is_left_out(tmp_path: Path) -> None:
    """Of what has no receipt the smaller batches are given out, however many larger ones lie in front."""
    bench = Bench(tmp_path)
    for count in (300, 1):
        bench.step(accept(some_records(count)))
        drained(bench)
    sizes = sorted(len(each.payload) for each in bench.parcels() if each.what is Up.BATCH)
    most = sizes[len(sizes) // 2]
    wanted = Fetch(frozenset(), 0, 1_000, None, frozenset(Lane), most)
    given = [len(each.payload) for each in bench.buffer.outbox.fetch(wanted).parcels if each.what is Up.BATCH]

    assert sorted(given) == [size for size in sizes if size <= most]
    assert 0 < len(given) < len(sizes)


def test_no_lane_waits_for_ever_behind_another(tmp_path: Path) -> None:
    """With sales at every look, counts are cut all the same."""
    bench = Bench(tmp_path)
    bench.step(accept(some_records(20)))
    bench.step(messages.Flush())
    waiting = [lane for lane in Lane if bench.core.next[lane] > bench.core.cut[lane]]
    assert len(waiting) > 1
    for _ in range(2 * len(Lane)):
        bench.step(accept([Record("till-1", NOON, Loss(reason="refused", count=1, types={}))]))
        bench.step(messages.Flush())
        bench.clock.mono += 1
        bench.step(messages.Tick(0.05, ROOM))
    assert [lane for lane in Lane if lane is not Lane.VITAL and bench.core.next[lane] > bench.core.cut[lane]] == []
