"""A disk that others filled, for a simulated day."""

from __future__ import annotations

import base64
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from random import Random

import pytest

from cloud_sync.uplink.messages import Parcel
from edge_agent.buffer.space import Limits
from records import Lane, Record
from records.types import Loss, PosReceipt, Quarantine
from tests.faults.store_side import NOON, BufferFull, Life, Submission, TestBox, begin

MIB = 1024 * 1024
DISK = "72M"
LIMITS = Limits(budget=2**30, floor=4 * MIB, reserve=12 * MIB)
STEP_S, DAY_S, AGAIN_S = 120, 86_400, 60
RESTART_S = DAY_S // 2 // STEP_S * STEP_S
BEFORE, TURNS = 60, 10
TILL, DOOR, FOLDER = "till-1", "door-1", "folder-1"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    said = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", place], capture_output=True, check=False
    )
    if said.returncode:
        pytest.skip("a file system cannot be mounted here: " + said.stderr.decode().strip())
    yield place
    subprocess.run(["umount", place], check=True)


class Others:
    """What fills the disk with a file of its own, and takes it away again."""

    def __init__(self, disk: Path) -> None:
        self._file = disk / "others"

    def fill(self) -> None:
        with self._file.open("ab", buffering=0) as file:
            for size in (MIB, 4096):
                while self._written(file.fileno(), bytes(size)):
                    pass

    @staticmethod
    def _written(file: int, content: bytes) -> int:
        try:
            return os.write(file, content)
        except OSError:
            return 0

    def leave(self) -> None:
        self._file.unlink()


class Store:
    """Three sources of a store: a till, a door that cannot wait, a folder that can. What became of what they gave."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.sold: list[str] = []
        self.counted = self.folded = self.told_to_wait = 0

    def _noise(self, size: int) -> str:
        return base64.b64encode(self._random.randbytes(size)).decode()

    def step(self, life: Life) -> None:
        """A sale, three counts, a line of the folder; returns when all are answered."""
        life.clock.move(STEP_S)
        number = f"{len(self.sold)}"
        sale = self._give(life, Record(TILL, NOON, PosReceipt(source_id=number, text=self._noise(3000))), waits=False)
        counts = [self._give(life, self._count(DOOR), waits=False) for _ in range(3)]
        line = self._give(life, self._count(FOLDER), waits=True)
        for done in (sale, *counts):
            done.result(60)
        self.sold.append(number)
        self.counted += len(counts)
        waits = isinstance(line.exception(60), BufferFull)
        for _ in range(TURNS):  # of the many that a recorder has in that time, to cut and to make room
            life.desk.ask(lambda _: None)
        self.told_to_wait += waits
        self.folded += not waits

    def _count(self, device: str) -> Record:
        return Record(device, NOON, Quarantine(device, "noise", self._noise(2500)))

    @staticmethod
    def _give(life: Life, record: Record, *, waits: bool) -> Future[None]:
        return life.desk.submit(Submission(record.device, [record], [None], {}, waits))

    def takes_again(self, life: Life) -> bool:
        """Whether the folder's next line is taken."""
        taken = self._give(life, self._count(FOLDER), waits=True).exception(60) is None
        self.folded += taken
        return taken


def taken_by_hq(life: Life, box: TestBox) -> dict[tuple[Lane, int], Record]:
    """Everything, receipt by receipt, until nothing is left."""
    parcels: dict[bytes, Parcel] = {}
    while True:
        life.clock.move(1.0)
        before = life.status()
        given = life.desk.parcels(frozenset(), 100_000)
        parcels.update((parcel.digest, parcel) for parcel in given)
        life.desk.receipted(tuple(parcel.digest[:16] for parcel in given))
        if not given and before.cut == before.accepted:
            return box.read(list(parcels.values()))


def test_a_disk_full_for_a_day_costs_no_sale_and_every_loss_is_told(disk: Path) -> None:
    """Sales are kept, counts go with tombstones or are refused and counted; a minute after it is over all get in."""
    box, store, others = TestBox(), Store(1), Others(disk)
    (disk / "buffer").mkdir()
    life = begin(disk / "buffer", box, FOLDER, LIMITS)
    for _ in range(BEFORE):
        store.step(life)
    others.fill()
    for second in range(0, DAY_S, STEP_S):
        if second == RESTART_S:  # what the stopped agent leaves free is taken by others
            life.end()
            others.fill()
            life = begin(disk / "buffer", box, FOLDER, LIMITS)
        store.step(life)
    free = os.statvfs(disk).f_bavail
    others.leave()
    waited = next(seconds for seconds in range(AGAIN_S + 1) if life.clock.move(1.0) and store.takes_again(life))
    found = taken_by_hq(life, box)
    accepted = life.status().accepted
    life.end()

    losses = [record.data for record in found.values() if isinstance(record.data, Loss)]
    refused = [loss for loss in losses if loss.reason == "refused"]
    gone = {seq for loss in losses if loss.lane == Lane.NORMAL for seq in range(loss.first or 0, (loss.last or 0) + 1)}
    kept = {seq for lane, seq in found if lane is Lane.NORMAL}
    sold = Counter(record.data.source_id for record in found.values() if isinstance(record.data, PosReceipt))
    evicted, turned_away = (
        sum(loss.count for loss in losses if loss.lane is not None),
        sum(loss.count for loss in refused),
    )
    print(
        f"full for {DAY_S} s: {len(sold)} sales kept, {evicted} evicted, {turned_away} refused, in again in {waited} s"
    )
    assert free == 0, "the disk was not full"
    assert sold == Counter(store.sold)
    assert gone | kept == set(range(1, accepted[Lane.NORMAL] + 1))
    assert gone & kept == set()
    assert {seq for lane, seq in found if lane is Lane.VITAL} == set(range(1, accepted[Lane.VITAL] + 1))
    assert accepted[Lane.NORMAL] + turned_away == store.counted + store.folded
    assert all(loss.types == {"quarantine": loss.count} for loss in refused)
    assert evicted == len(gone) > 100
    assert turned_away > 100
    assert store.told_to_wait > 100
