"""The invariants that the buffer's docstring names, each under its name; some stand beside what they are about."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

import edge_agent.buffer
from cloud_sync.wire import batch as wire_batch
from edge_agent.buffer import Batch, Buffer, BufferError, JournalRow, NewEpoch, Transaction
from edge_agent.buffer.pages import Pages
from edge_agent.buffer.salvage import salvage
from edge_agent.buffer.schema import PAGE
from edge_agent.recorder.core import Policy
from edge_agent.recorder.messages import Evicted, Flush, Receipted, Tick
from edge_agent.recorder.opening import FILE
from records import Lane
from records.types import Loss
from tests.edge_agent.boxes import TestBox, some_records
from tests.edge_agent.test_recorder import ROOM, Bench, accept, drained

NAMED = re.findall(r"^- \*(.+?)\*", edge_agent.buffer.__doc__ or "", re.MULTILINE)
HERE = Path(__file__).parent


def in_code(name: str) -> str:
    """An invariant's name as a test's."""
    return "test_" + re.sub(r"[^a-z0-9]+", "_", name.replace("'s", "s").lower())


@pytest.mark.parametrize("name", NAMED)
def test_every_invariant_has_a_test_of_its_name(name: str) -> None:
    """What the docstring promises is looked at somewhere."""
    assert any(f"def {in_code(name)}(" in file.read_text() for file in HERE.glob("test_*.py")), in_code(name)


def test_the_docstring_names_invariants() -> None:
    """The one before has something to look for."""
    assert len(NAMED) > 10


def rows(first: int, count: int, epoch: int = 1) -> list[JournalRow]:
    return [JournalRow(Lane.NORMAL, seq, epoch, 20, 1, b"sealed %d" % seq, 0) for seq in range(first, first + count)]


def header(ordinal: int) -> NewEpoch:
    raw = b"header %d" % ordinal
    return NewEpoch(ordinal, bytes([ordinal]) * 16, raw, wire_batch.digest(raw))


def change(number: int, first: int, count: int, **more: object) -> Transaction:
    made = Transaction(number, rows(first, count), {Lane.NORMAL: first + count}, {("d", "n"): b"%d" % number})
    return made._replace(**more)


def test_applied_means_on_disk(tmp_path: Path) -> None:
    """A process that is killed right after `apply` returned leaves the whole transaction behind."""
    child = os.fork()
    if not child:
        buffer = Buffer(tmp_path / FILE)
        for number in range(1, 6):
            buffer.apply(change(number, 10 * number - 9, 10, epoch=header(number)))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    buffer = Buffer(tmp_path / FILE)
    view = buffer.view()
    assert (view.transaction, view.next[Lane.NORMAL]) == (5, 51)
    assert [row.seq for row in buffer.rows(Lane.NORMAL, 1, 100, 100, 10**6)] == list(range(1, 51))
    assert buffer.state("d") == {"n": b"5"}


def test_a_transaction_is_whole(tmp_path: Path) -> None:
    """What fails in its last part leaves nothing of the others."""
    buffer = Buffer(tmp_path / FILE)
    payload = b"a batch"
    cut = Batch(wire_batch.digest(payload), Lane.NORMAL, 1, 1, 5, 0, payload)
    buffer.apply(change(1, 1, 10, epoch=header(1), batches=[cut]))
    before = buffer.view()

    broken = change(2, 11, 10, epoch=header(2), seen=[("d", b"x" * 16, 1)], facts={"f": 1}, batches=[cut])
    with pytest.raises(BufferError):
        buffer.apply(broken)

    after = buffer.reopen()
    assert after.view() == before
    assert [row.seq for row in after.rows(Lane.NORMAL, 1, 100, 100, 10**6)] == list(range(6, 11))
    assert after.state("d") == {"n": b"1"}
    assert after.seen([("d", b"x" * 16)]) == frozenset()


def test_numbers_run_on(tmp_path: Path) -> None:
    """Through epochs, restarts and kinds of batches every number of a lane stands for one record, without a gap."""
    box, made = TestBox(), some_records(400)
    numbers: dict[Lane, list[int]] = {lane: [] for lane in Lane}
    for life in range(4):
        bench = Bench(tmp_path, box, Policy(epoch_s=60))
        bench.step(accept(made[100 * life : 100 * life + 50]))
        bench.step(Flush())
        bench.clock.mono += 61
        bench.step(Tick(0.0, ROOM))  # a new epoch
        bench.step(accept(made[100 * life + 50 : 100 * life + 100]))
        bench.step(Flush())
        found = drained(bench)
        bench.buffer.close()

    for lane, seq in sorted(found):
        numbers[lane].append(seq)
    assert sum(map(len, numbers.values())) == 401
    assert all(given == list(range(1, len(given) + 1)) for given in numbers.values())


def test_an_epochs_header_comes_first(tmp_path: Path) -> None:
    """Whenever one looks, each row's epoch has its header, in three copies that share no page."""
    bench = Bench(tmp_path, policy=Policy(epoch_s=60))
    for _ in range(3):
        bench.step(accept(some_records(20)))
        bench.step(Flush())
        known = {held.ordinal for held in bench.buffer.inspection.epochs()}
        assert {row.epoch for row in bench.buffer.inspection.journal(0, 10_000)[0]} <= known
        bench.clock.mono += 61
        bench.step(Tick(float("inf"), ROOM))
    bench.buffer.close()

    copies = [
        (row.values[-1], row.page)
        for row in Pages(tmp_path / FILE, PAGE).rows()
        if len(row.values) == 2 and isinstance(row.values[-1], bytes) and row.values[-1].startswith(b"SEE1")
    ]
    for raw in {raw for raw, _ in copies}:
        assert len({page for found, page in copies if found == raw}) == 3


def test_a_batch_never_changes(tmp_path: Path) -> None:
    """Its bytes are the same at every look and after a restart, its rows go with the commit that brought it."""
    bench = Bench(tmp_path)
    bench.step(accept(some_records(200)))
    bench.step(Flush())
    drained(bench)
    first = {parcel.digest: parcel.payload for parcel in bench.parcels()}
    assert bench.buffer.inspection.journal(0, 10)[0] == []
    bench.buffer.close()

    again = Bench(tmp_path, bench.box)
    drained(again)
    assert {parcel.digest: parcel.payload for parcel in again.parcels()}.items() >= first.items()
    assert all(wire_batch.digest(payload) == digest for digest, payload in first.items())


def test_a_batch_leaves_on_its_receipt_alone(tmp_path: Path) -> None:
    """Another's receipt takes nothing; what goes for space leaves a tombstone."""
    bench = Bench(tmp_path)
    bench.step(accept(some_records(200)))
    bench.step(Flush())
    drained(bench)
    held = bench.parcels()
    other = bytes([*held[0].prefix[:-1], held[0].prefix[-1] ^ 1])
    bench.step(Receipted((bytes(16), other)))
    assert bench.parcels() == held

    bench.step(Receipted((held[-1].prefix,)))
    assert bench.parcels() == held[:-1]
    (gone, *_) = bench.buffer.outbox.evictable(1, frozenset(), 0)[-1:]
    bench.step(Evicted([gone]))
    losses = [record.data for record in drained(bench).values() if isinstance(record.data, Loss)]
    assert gone.digest not in {parcel.digest for parcel in bench.parcels()}
    assert gone.settled or [(loss.first, loss.last) for loss in losses] == [(gone.first, gone.last)]


def test_rot_is_noticed_and_named(tmp_path: Path) -> None:
    """A changed byte in a row or a batch keeps it from being given out, and verifying names it."""
    bench = Bench(tmp_path)
    bench.step(accept(some_records(60)))
    bench.step(Flush())
    bench.buffer._db.all("UPDATE journal SET sealed = zeroblob(length(sealed)) WHERE id = ?", ((1 << 56) | 1,))

    assert [flaw.which for flaw in bench.buffer.inspection.check_rows(0, 1000).flaws] == [
        "normal 1: its checksum is not that of its content"
    ]
    assert 1 not in {row.seq for row in bench.buffer.inspection.journal(1 << 56, 1000)[0]}
    bench.buffer.close()
    found = salvage(tmp_path / FILE, bench.box.seal.public)
    assert (Lane.NORMAL, 1) not in {(row.lane, row.seq) for row in found.rows}


def test_nothing_is_deleted_but_what_headquarters_has(tmp_path: Path) -> None:
    """A file that cannot be used keeps its bytes under another name, and its whole records go on."""
    bench, made = Bench(tmp_path), some_records(300)
    bench.step(accept(made))
    bench.step(Flush())
    bench.buffer.close()
    with (tmp_path / FILE).open("r+b") as file:
        file.write(b"no longer a database")
    before = (tmp_path / FILE).read_bytes()

    again = Bench(tmp_path, bench.box)
    while again.core.uncut:
        again.clock.mono += 1
        again.step(Tick(0.0, ROOM))

    (aside,) = tmp_path.glob(f"{FILE}.damaged-*")
    assert aside.read_bytes() == before
    found = bench.box.read_streams(again.parcels()).values()
    assert sum(record in found for record in made) == len(made)
