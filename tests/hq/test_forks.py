"""Images made by the agent's own recorder: copied, put back, made anew; what headquarters makes of each."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from cloud_sync.ingest.core import Arrived, Core, GiveBack
from cloud_sync.ingest.judge import Message
from cloud_sync.uplink.messages import Parcel
from cloud_sync.wire import batch
from cloud_sync.wire.downlink import Command, Order
from cloud_sync.wire.topics import Address, Up
from edge_agent.buffer import Buffer
from edge_agent.orders import DONE, Orders
from edge_agent.recorder.desk import Submission
from edge_agent.recorder.messages import Flush
from edge_agent.recorder.opening import FILE
from hq.complete import BoxReport, report
from hq.warehouse.memory import MemoryWarehouse
from tests.cloud_sync.ingest.box import NOW, SIGNER
from tests.cloud_sync.ingest.world import answered
from tests.edge_agent.boxes import TestBox, some_records
from tests.edge_agent.test_recorder import Bench, accept, drained, running
from tests.hq.warehouse.houses import OPENED

NAME = ("0214", "box-1")


class Headquarters:
    """Ingest's core over the warehouse in memory; messages as stores send them."""

    def __init__(self, box: TestBox) -> None:
        self.house = MemoryWarehouse({NAME: box.key.public_key().public_bytes_raw()}, OPENED)
        self.core = Core("se", {box.hq.public.key_id: box.hq}, SIGNER)

    def take(self, bench: Bench) -> None:
        """Everything that the box has to send."""
        drained(bench)
        self.hear(bench.parcels())

    def hear(self, parcels: list[Parcel]) -> None:
        messages = tuple(Message(Address("se", *NAME).up(one.what), one.payload, one.digest) for one in parcels)
        said = answered(self.core, self.house, Arrived(messages), NOW)
        assert not [effect for effect in said if isinstance(effect, GiveBack)], "nothing failed"

    @property
    def report(self) -> BoxReport:
        (found,) = map(report, self.house.standings())
        return found

    @property
    def rules(self) -> list[str]:
        return sorted(rule for _, rule, _ in self.house.noticed)


@pytest.fixture
def box() -> TestBox:
    return TestBox()


class Machine:
    """A mini-PC with a disk; `given` are the identities of all that its recorder accepted."""

    def __init__(self, folder: Path, box: TestBox) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.bench = Bench(folder, box)

    def work(self, seed: int, count: int = 60) -> None:
        self.bench.step(accept(some_records(count, seed)))
        self.bench.step(Flush())
        drained(self.bench)

    def image(self, folder: Path) -> Path:
        """Its disk as it is, switched off."""
        self.bench.buffer.close()
        shutil.copytree(self.folder, folder)
        return folder

    @property
    def given(self) -> set[tuple[bytes, int, int]]:
        return numbers(self.bench.parcels())


def numbers(parcels: list[Parcel]) -> set[tuple[bytes, int, int]]:
    """Epoch, lane and number of every record in them."""
    headers = [batch.parse(one.payload)[0] for one in parcels if one.what is Up.BATCH]
    return {(head.epoch, head.lane, seq) for head in headers for seq in range(head.first, head.last + 1)}


def stored(hq: Headquarters) -> set[tuple[bytes, int, int]]:
    names = [*(row.identity for row in hq.house.rows), *hq.house.aside]
    assert len(names) == len(set(names)), "a record stands twice"
    parts = [name.split("/") for name in names]
    return {(bytes.fromhex(epoch), int(lane), int(seq)) for _, epoch, lane, seq in parts}


def test_a_disk_copied_into_two_machines_is_a_fork(tmp_path: Path, box: TestBox) -> None:
    """Both go on from the same image: every record of both is stored, and the stream is reported."""
    one = Machine(tmp_path / "a", box)
    one.work(1)
    copied = one.image(tmp_path / "b")
    machines = [Machine(tmp_path / "a", box), Machine(copied, box)]
    hq = Headquarters(box)
    for seed, machine in enumerate(machines, 2):
        machine.work(seed)
        hq.take(machine.bench)

    assert machines[0].given & machines[1].given, "they share what the image held"
    assert machines[0].given - machines[1].given, "and each has its own"
    assert hq.rules == ["fork"]
    assert stored(hq) == machines[0].given | machines[1].given
    assert (hq.report.missing, hq.report.forked) == (0, (machines[0].bench.core.identity.stream,))


def test_after_the_order_each_disk_has_a_stream_of_its_own(tmp_path: Path, box: TestBox) -> None:
    """Both obey: what they record from then on is complete by itself, and nothing of either is lost or missing."""
    one = Machine(tmp_path / "a", box)
    one.work(1)
    folders = [tmp_path / "a", one.image(tmp_path / "b")]
    hq, made = Headquarters(box), some_records(120, 4)
    for seed, folder in enumerate(folders, 2):
        machine = Machine(folder, box)
        machine.work(seed)
        hq.take(machine.bench)
        machine.bench.buffer.close()
    (forked,) = hq.report.forked
    order = Order(1, 1, Command.NEW_STREAM, forked)

    streams = set()
    for folder, records in zip(folders, (made[:60], made[60:]), strict=True):
        with running(folder, box) as (desk, thread):
            assert Orders(folder, [box.hq.public], desk.leave, lambda _: None).obey(order) == DONE
            desk.submit(Submission("till-1", records, [None] * 60, {})).result(60)
            streams.add(thread.status().stream)
        with closing(Buffer(folder / FILE)) as buffer:
            parcels = buffer.outbox.parcels(frozenset(), 10_000)
        hq.hear(parcels)
        assert numbers(parcels) <= stored(hq)

    assert len(streams | {forked}) == 3
    assert {lane.stream for lane in hq.report.lanes} == streams | {forked}
    assert (hq.rules, hq.report.forked, hq.report.missing) == (["fork"], (forked,), 0)
    of_the_new = [row for row in hq.house.rows if bytes.fromhex(row.identity.split("/")[0]) in streams]
    assert len(of_the_new) + len(hq.house.aside) == 120 + 2, "and two that open a stream"


def test_an_old_image_put_back_is_a_fork(tmp_path: Path, box: TestBox) -> None:
    """The box goes on from last week's disk: what it gave since stays, what it gives anew stands beside."""
    one = Machine(tmp_path / "a", box)
    one.work(1)
    image = one.image(tmp_path / "image")
    hq = Headquarters(box)
    since = Machine(tmp_path / "a", box)
    since.work(2)
    hq.take(since.bench)
    assert hq.rules == []
    back = Machine(image, box)
    back.work(3)
    hq.take(back.bench)

    assert hq.rules == ["fork"]
    assert stored(hq) == since.given | back.given


def test_a_disk_that_is_lost_is_a_new_stream(tmp_path: Path, box: TestBox) -> None:
    """A re-imaged box begins with an empty buffer: no fork; the stream it leaves is named."""
    old = Machine(tmp_path / "a", box)
    old.work(1)
    hq = Headquarters(box)
    hq.take(old.bench)
    new = Machine(tmp_path / "fresh", box)
    new.work(2)
    hq.take(new.bench)

    assert hq.rules == ["re-imaged"]
    assert stored(hq) == old.given | new.given
    assert (hq.report.forked, hq.report.missing) == ((), 0)


def test_a_restart_is_none_of_these(tmp_path: Path, box: TestBox) -> None:
    """A box that is switched off and on again goes on in its stream, and nothing is noticed."""
    hq = Headquarters(box)
    for seed in range(4):
        machine = Machine(tmp_path / "a", box)
        machine.work(seed)
        hq.take(machine.bench)
        machine.bench.buffer.close()

    assert hq.rules == []
    assert hq.report.missing == 0
