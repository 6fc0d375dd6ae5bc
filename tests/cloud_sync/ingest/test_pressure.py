"""Pace instead of dropping: who is told to drain how fast, and when boxes are let go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cloud_sync.ingest.core import Arrived, Commit, Committed, Core, Failed, LookUp, Send
from cloud_sync.ingest.pressure import CALM_AFTER, FIRST_CALM, LEAST, REPEAT, SLOW, SPREAD_S, Pressure
from cloud_sync.ingest.work import Known, Outcome, Sender
from cloud_sync.wire.downlink import Pace, open_envelope
from tests.cloud_sync.ingest.box import KEYS, ROOT, SIGNER, Box, sales

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ONE, TWO = (Sender(store, "box-1", b"") for store in ("0214", "0301"))


def committed(pressure: Pressure, at: datetime, took: timedelta, size: int = 1_000_000) -> list:
    pressure.begins(at)
    return pressure.ended({ONE: size, TWO: size}, at + took)


def test_a_slow_warehouse_sets_a_pace_that_it_manages() -> None:
    """Boxes together are told less than the last transaction moved a second, none less than live business needs."""
    pressure = Pressure()
    told = committed(pressure, NOW, timedelta(seconds=10))
    assert told == [(ONE, 80_000, SPREAD_S), (TWO, 80_000, SPREAD_S)]
    assert committed(Pressure(), NOW, timedelta(seconds=10), 100)[0][1] == LEAST


def test_a_pace_is_repeated_while_it_holds_and_taken_back_after() -> None:
    """Not with every transaction; and once it was quick for a while everybody who was slowed is let go, once."""
    pressure = Pressure()
    committed(pressure, NOW, SLOW)
    assert committed(pressure, NOW + SLOW, timedelta()) == []
    assert len(committed(pressure, NOW + SLOW + REPEAT, SLOW)) == 2
    quick = NOW + 2 * SLOW + REPEAT + CALM_AFTER
    assert committed(pressure, quick, timedelta()) == [(ONE, 0, 30), (TWO, 0, 30)]
    assert committed(pressure, quick, timedelta(seconds=1)) == []


def test_after_an_outage_boxes_are_slowed_before_they_all_drain_at_once() -> None:
    """The first transaction after the warehouse was away sets a pace, however quick it is."""
    pressure = Pressure()
    pressure.begins(NOW)
    pressure.failed()
    assert len(committed(pressure, NOW, timedelta(seconds=1))) == 2


def test_a_box_that_a_dead_worker_slowed_is_let_go() -> None:
    """Every box hears now and then that no pace holds, not at once and not often."""
    pressure = Pressure()
    assert committed(pressure, NOW, timedelta()) == []
    assert len(committed(pressure, NOW + FIRST_CALM, timedelta())) == 2
    told = [len(committed(pressure, NOW + FIRST_CALM + timedelta(minutes=n), timedelta())) for n in range(1, 1440)]
    assert 10 <= sum(told) <= 30


def test_a_large_fleet_is_told_a_longer_span() -> None:
    """Ten thousand boxes come back over a minute and a half, so that no broker is stormed."""
    fleet = [Sender(f"{number:05}", "box-1", b"") for number in range(10_000)]
    pressure = Pressure()
    for at in (NOW, NOW + FIRST_CALM):
        pressure.begins(at)
        told = pressure.ended(dict.fromkeys(fleet, 100), at)

    assert told == [(each, 0, 90) for each in fleet]


def test_the_core_answers_a_slow_commit_with_receipts_and_a_pace() -> None:
    """Everything is receipted; the pace comes beside it, and nothing is given back."""
    box, core = Box(), Core("se", KEYS, SIGNER)
    (asked,) = core.step(Arrived((box.send_header(), box.send_batch(sales(1, 20)))), NOW)
    assert isinstance(asked, LookUp)
    known = Known({(box.store, box.name): box.public_key}, {box.epoch.epoch: None})
    (commit,) = core.step(known, NOW)
    assert isinstance(commit, Commit)
    effects = core.step(Committed(Outcome(stored=20)), NOW + SLOW)

    bodies = [
        envelope.body
        for send in effects
        if isinstance(send, Send)
        and (envelope := open_envelope(send.envelope, ROOT.public_key(), box.fingerprint, 1)) is not None
    ]
    assert [type(body).__name__ for body in bodies] == ["Receipt", "Pace"]
    assert isinstance(bodies[1], Pace)
    assert bodies[1].bytes_per_s >= LEAST
    assert core.counts["paced"] == 1
    core.step(Failed("away"), NOW)
