"""What headquarters misses, asked of the agent's own recorder: it comes from what the box keeps, or is named lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_sync.ingest.work import Beat, Reply, Sender, Work
from cloud_sync.wire.heartbeat import Answer, Heartbeat, LaneState
from edge_agent.recorder.messages import Receipted, WantedAgain
from hq.complete import wanted
from records import Lane
from tests.cloud_sync.ingest.box import NOW
from tests.edge_agent.boxes import TestBox
from tests.hq.test_forks import NAME, Headquarters, Machine, stored

SENDER = Sender(*NAME, b"")


@pytest.fixture
def box() -> TestBox:
    return TestBox()


def tell(hq: Headquarters, machine: Machine) -> None:
    """A heartbeat of what the machine has accepted, all of it receipted."""
    core = machine.bench.core
    lanes = tuple(LaneState(core.accepted[lane], core.accepted[lane]) for lane in Lane)
    who = (core.identity.stream, core.epoch, bytes(16))
    beat = Heartbeat(*NAME, 1, 1, int(NOW.timestamp() * 1e6), "0.1.0", *who, lanes, clock=1, skew_ms=0)
    hq.house.commit(Work(NOW, (Beat(SENDER, beat),)))


def settle(machine: Machine) -> None:
    """The earlier headquarters had receipted everything."""
    machine.bench.step(Receipted(tuple(parcel.prefix for parcel in machine.bench.parcels())))
    assert machine.bench.parcels() == []


def test_a_restored_ledger_is_healed_from_the_grace(tmp_path: Path, box: TestBox) -> None:
    """Receipted long ago, stored nowhere since the restore: asked for by number it comes again, and nothing twice."""
    machine, restored = Machine(tmp_path / "a", box), Headquarters(box)
    machine.work(1)
    restored.take(machine.bench)
    machine.work(2, 200)
    given = machine.given
    settle(machine)

    tell(restored, machine)
    (ranges,) = wanted([restored.report]).values()
    assert len(stored(restored)) + restored.report.missing == len(given)
    held = machine.bench.buffer.again.look(ranges)
    assert held.missing == ()
    machine.bench.step(WantedAgain(held.digests))
    restored.take(machine.bench)

    assert restored.report.missing == 0
    assert stored(restored) == given


def test_what_no_disk_holds_is_answered_and_named_lost(tmp_path: Path, box: TestBox) -> None:
    """A re-imaged box does not have the old stream: its answer names the ranges, and headquarters asks no more."""
    old, hq = Machine(tmp_path / "a", box), Headquarters(box)
    old.work(1)
    hq.take(old.bench)
    old.work(2)
    missing = len(old.given) - len(stored(hq))
    settle(old)
    tell(hq, old)
    new = Machine(tmp_path / "fresh", box)
    new.work(3)
    hq.take(new.bench)

    (ranges,) = wanted([hq.report]).values()
    held = new.bench.buffer.again.look(ranges)
    assert held.digests == ()
    hq.house.commit(Work(NOW, (Reply(SENDER, Answer(*NAME, 0, not_held=held.missing)),)))
    assert (hq.report.missing, hq.report.lost, wanted([hq.report])) == (0, missing, {})
