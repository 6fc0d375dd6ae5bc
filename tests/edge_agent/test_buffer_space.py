"""Space runs out: what goes, in which order, what is told, and that nothing goes untold."""

from __future__ import annotations

import base64
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from random import Random

import pytest

from cloud_sync.uplink.messages import Parcel
from edge_agent.buffer.space import Limits
from edge_agent.recorder.desk import BufferFull, Desk, Submission
from edge_agent.recorder.shell import RecorderThread
from records import Lane, Record
from records.types import Loss, PosReceipt, Quarantine
from tests.edge_agent.boxes import NOON, TestBox
from tests.edge_agent.test_recorder import running, until

MIB = 1024 * 1024
SMALL = Limits(budget=24 * MIB, floor=0, reserve=8 * MIB)
SIZE = 3000
COUNTS = 8000


def noise(rng: Random) -> str:
    return base64.b64encode(rng.randbytes(SIZE)).decode()


def normal(rng: Random) -> Record:
    return Record("door-1", NOON, Quarantine("door-1", "noise", noise(rng)))


def vital(rng: Random, number: int) -> Record:
    return Record("till-1", NOON, PosReceipt(source_id=str(number), text=noise(rng)))


def submit(desk: Desk, record: Record, *, waits: bool = False) -> Future[None]:
    return desk.submit(Submission(record.device, [record], [None], {}, waits))


def outcomes(tickets: list[Future[None]]) -> Counter[str]:
    """How many submissions were done, and how many were told to wait."""
    return Counter("wait" if isinstance(ticket.exception(60), BufferFull) else "done" for ticket in tickets)


def everything(box: TestBox, desk: Desk, recorder: RecorderThread) -> tuple[dict[tuple[Lane, int], Record], list[Loss]]:
    """Takes everything out as HQ would, receipt by receipt, until nothing is left."""
    parcels: dict[bytes, Parcel] = {}

    def emptied() -> bool:
        status = recorder.status()  # first, since what is cut a moment later is in no parcel yet
        given = desk.parcels(frozenset(), 100_000)
        parcels.update((parcel.digest, parcel) for parcel in given)
        desk.receipted(tuple(parcel.digest[:16] for parcel in given))
        return not given and status.cut == status.accepted

    until(emptied, "everything to be taken")
    found = box.read(list(parcels.values()))
    return found, [record.data for record in found.values() if isinstance(record.data, Loss)]


def numbers(losses: list[Loss], lane: Lane) -> set[int]:
    spans = ((loss.first, loss.last) for loss in losses if loss.lane == lane)
    return {seq for first, last in spans if first and last for seq in range(first, last + 1)}


def fill_with_sales(desk: Desk, rng: Random) -> int:
    """Until nothing but the reserve is left and nothing may go; how many sales that took."""
    for n in range(100):
        assert outcomes([submit(desk, vital(rng, n)) for _ in range(100)]) == Counter(done=100)
        if submit(desk, normal(rng), waits=True).exception(60) is not None:
            return 100 * (n + 1)
    raise AssertionError("the buffer never filled")


def test_counts_go_oldest_first_and_leave_a_tombstone(tmp_path: Path) -> None:
    """Over budget, whole batches of counts go, oldest first; sales stay; every number is there or told to be gone."""
    box, rng = TestBox(), Random(1)
    with running(tmp_path, box, limits=SMALL) as (desk, recorder):
        tickets = []
        for n in range(COUNTS):
            tickets.append(submit(desk, normal(rng)))
            if n % 40 == 0:
                tickets.append(submit(desk, vital(rng, n)))
        assert outcomes(tickets) == Counter(done=len(tickets))
        size = recorder.status().bytes
        found, losses = everything(box, desk, recorder)
        accepted = recorder.status().accepted

    gone = numbers(losses, Lane.NORMAL)
    kept = {seq for lane, seq in found if lane is Lane.NORMAL}
    refused = sum(loss.count for loss in losses if loss.reason == "refused")
    assert len(gone) > 100
    assert gone | kept == set(range(1, accepted[Lane.NORMAL] + 1))
    assert gone & kept == set()
    assert sum(gone) / len(gone) < sum(kept) / len(kept)  # but for what was being sent
    assert accepted[Lane.NORMAL] + refused == COUNTS
    assert {seq for lane, seq in found if lane is Lane.VITAL} == set(range(1, accepted[Lane.VITAL] + 1))
    assert sum(loss.count for loss in losses) == len(gone) + refused
    assert all(sum(loss.types.values()) == loss.count for loss in losses)
    assert size <= SMALL.budget


def test_what_hq_has_goes_before_anything_else(tmp_path: Path) -> None:
    """Receipted batches are kept as grace, and make room without a loss."""
    box, rng = TestBox(), Random(2)
    with running(tmp_path, box, limits=SMALL) as (desk, recorder):
        for _ in range(6):
            assert outcomes([submit(desk, normal(rng)) for _ in range(1000)]) == Counter(done=1000)
            everything(box, desk, recorder)
        _, losses = everything(box, desk, recorder)

    assert losses == []


def test_a_full_buffer_keeps_sales_and_counts_what_it_refuses(tmp_path: Path) -> None:
    """With nothing left to evict, sources that can wait are told to, counts are refused and counted, sales go on."""
    box, rng = TestBox(), Random(3)
    with running(tmp_path, box, limits=SMALL) as (desk, recorder):
        sold = fill_with_sales(desk, rng)
        before = recorder.status().accepted
        assert outcomes([submit(desk, normal(rng)) for _ in range(300)]) == Counter(done=300)
        assert outcomes([submit(desk, vital(rng, n)) for n in range(50)]) == Counter(done=50)
        assert recorder.status().accepted[Lane.NORMAL] == before[Lane.NORMAL]

        found, losses = everything(box, desk, recorder)
        until(lambda: submit(desk, normal(rng), waits=True).exception(60) is None, "room again")
        losses += everything(box, desk, recorder)[1]

    assert sum(isinstance(record.data, PosReceipt) for record in found.values()) == sold + 50
    refused = [loss for loss in losses if loss.reason == "refused"]
    assert sum(loss.count for loss in refused) == 300
    assert all(loss.types == {"quarantine": loss.count} for loss in refused)


def test_refusals_are_counted_over_a_restart(tmp_path: Path) -> None:
    """What was refused before a restart is told after it."""
    box, rng = TestBox(), Random(4)
    with running(tmp_path, box, limits=SMALL) as (desk, recorder):
        fill_with_sales(desk, rng)
        assert outcomes([submit(desk, normal(rng)) for _ in range(7)]) == Counter(done=7)
        before = recorder.status().accepted
    with running(tmp_path, box, limits=Limits(1000 * MIB, 0, 8 * MIB)) as (desk, recorder):
        until(lambda: recorder.status().accepted != before, "the tombstone")
        _, losses = everything(box, desk, recorder)

    assert [loss.count for loss in losses if loss.reason == "refused"] == [7]


@pytest.mark.parametrize("budget", [24 * MIB])
def test_the_reserve_is_written_for_real(tmp_path: Path, budget: int) -> None:
    """The reserve's pages are blocks of the disk, not a promise: the file is no sparse one."""
    with running(tmp_path, TestBox(), limits=Limits(budget, 0, 8 * MIB)) as _:
        until(lambda: (tmp_path / "buffer.db").stat().st_size >= 8 * MIB, "the reserve")
        file = (tmp_path / "buffer.db").stat()

    assert file.st_blocks * 512 >= 8 * MIB


def test_the_heartbeat_says_how_many_hours_are_left(tmp_path: Path) -> None:
    """Nothing is said before anything was cut; then the room shrinks as unsent records fill it."""
    rng = Random(5)
    with running(tmp_path, TestBox(), limits=SMALL) as (desk, recorder):
        first = recorder.status().hours_left
        assert outcomes([submit(desk, vital(rng, n)) for n in range(500)]) == Counter(done=500)
        until(lambda: recorder.status().cut == recorder.status().accepted, "everything cut")
        some = recorder.status().hours_left
        fill_with_sales(desk, rng)
        until(lambda: recorder.status().hours_left == 0, "the last hour to be over")

    assert first is None or first > 0
    assert some is not None
    assert some > 0
