"""Heartbeats count up one by one, whoever else asks how the box is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_sync.uplink.figures import Figures
from cloud_sync.wire.heartbeat import Heartbeat, LinkState, verify
from edge_agent.buffer.outbox import Waiting
from edge_agent.pulse import Pulse, Self
from edge_agent.recorder.epochs import microseconds
from edge_agent.recorder.status import Status
from records import Lane
from tests.edge_agent.boxes import HandClock


def make(folder: Path, key: Ed25519PrivateKey, clock: HandClock, figures: Figures) -> Pulse:
    waiting = {lane: Waiting(0, 0, None) for lane in Lane}
    status = Status(bytes(16), bytes(16), dict.fromkeys(Lane, 0), dict.fromkeys(Lane, 0), waiting, 0, None)
    me = Self("0214", "box-1", bytes(16), key, folder, "hash", 5, clock.now())
    return Pulse(me, clock, [], lambda: status, lambda: figures, session=1)


def test_asking_for_the_state_changes_no_heartbeat(tmp_path: Path) -> None:
    """`edge-agent status` neither uses up a sequence number nor the turn of a full heartbeat."""
    key = Ed25519PrivateKey.generate()
    pulse = make(tmp_path, key, HandClock(), Figures(None, "", 0, None, None, 0, 0))

    said = []
    for _ in range(17):
        for _ in range(3):
            assert pulse.state(full=True).full
        body = verify(pulse.beat(full=False), key.public_key())
        assert isinstance(body, Heartbeat)
        said.append((body.seq, body.full))
    assert said == [(seq, seq in (1, 16)) for seq in range(1, 18)]


def test_the_link_is_told_and_a_new_fault_at_once(tmp_path: Path) -> None:
    """Every heartbeat carries the link's figures; a fault that begins or ends is a change worth a heartbeat."""
    key, clock = Ed25519PrivateKey.generate(), HandClock()
    well = Figures(
        clock.now().mono - 90, "", 3, None, None, 7, 0, link="lte", sent=5_000, received=600, carried=4_000_000
    )
    now = [well]
    pulse = make(tmp_path, key, clock, well)
    pulse.figures = lambda: now[0]
    assert pulse.changed()
    assert not pulse.changed()
    now[0] = well._replace(fault="too-large", most=18_192)
    assert pulse.changed()

    body = verify(pulse.beat(full=False), key.public_key())
    assert isinstance(body, Heartbeat)
    assert body.link == LinkState("lte", 90, 5_000, 600, 4_000_000, 7, 3, "too-large", 18_192)


def test_the_skew_follows_a_clock_that_is_set(tmp_path: Path) -> None:
    """The wall clock was 40 ms ahead at the last receipt, a minute ago, and was put back by an hour since."""
    clock = HandClock()
    receipt_us = microseconds(clock.now().wall - timedelta(seconds=60) + timedelta(hours=1))
    figures = Figures(None, "", 0, receipt_us, 40, 0, 0, receipt_at=clock.mono - 60)
    pulse = make(tmp_path, Ed25519PrivateKey.generate(), clock, figures)

    assert pulse.state(full=False).skew_ms == 40 - 3_600_000
