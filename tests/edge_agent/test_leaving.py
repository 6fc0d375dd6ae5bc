"""Leaving a stream on HQ's order, with the real recorder and buffer."""

from __future__ import annotations

from collections import namedtuple
from functools import cached_property
from pathlib import Path

import pytest

from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.topics import Up
from edge_agent.buffer import Buffer
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.recorder.messages import EndEpoch, Remember
from edge_agent.recorder.opening import FILE
from records.types import StreamOpen
from tests.edge_agent.boxes import TestBox
from tests.edge_agent.test_recorder import health, running, until


class OneSeal(TestBox):
    """Its seal is the same object for all."""

    seal = cached_property(TestBox.seal.fget)  # type: ignore[attr-defined]


def stream(desk: Desk) -> bytes:
    identity = desk.ask(lambda buffer: buffer.view().identity)
    assert identity is not None
    return identity.stream


def give(desk: Desk, numbers: range) -> None:
    for ticket in [desk.submit(Submission("door-1", [health(n)], [f"{n}"], {"n": b"%d" % n})) for n in numbers]:
        ticket.result(60)


def test_a_stream_is_left_with_all_that_is_in_it(tmp_path: Path) -> None:
    """The new stream says forked and names the one before; what that one held goes on being sent, once, as it was."""
    box = TestBox()
    with running(tmp_path, box) as (desk, _):
        old = stream(desk)
        give(desk, range(300))
        desk.tell(Remember("lowest_serial", 7))
        assert desk.leave(frozenset([old]))
        new = stream(desk)
        give(desk, range(200, 400))  # a hundred are known of the stream before
        assert desk.leave(frozenset([old])), "it is left already"
        assert stream(desk) == new
        facts = desk.ask(lambda buffer: buffer.view().facts)
        assert desk.ask(lambda buffer: buffer.state("door-1")) == {"n": b"399"}

    assert facts["lowest_serial"] == 7
    found = box.read_streams(Buffer(tmp_path / FILE).outbox.parcels(frozenset(), 10_000))
    of = {each: [r.data for (s, _, _), r in sorted(found.items()) if s == each] for each in (old, new)}
    reasons = {each: [data.reason for data in of[each] if not isinstance(data, StreamOpen)] for each in of}
    assert reasons == {old: [str(n) for n in range(300)], new: [str(n) for n in range(300, 400)]}
    opened = [data for data in of[new] if isinstance(data, StreamOpen)]
    assert [(said.reason, said.previous) for said in opened] == [("forked", old.hex())]
    assert [type(data).__name__ for each in of.values() for data in each].count("Loss") == 0


def test_a_stream_is_left_while_records_come(tmp_path: Path) -> None:
    """Whatever is on its way or with the cutter when the order comes is there once, in the one stream or the other."""
    box = TestBox()
    with running(tmp_path, box) as (desk, _):
        tickets = []
        for life in range(4):
            for n in range(life * 500, life * 500 + 500):
                tickets.append(desk.submit(Submission("door-1", [health(n)], [f"{n}"], {})))
            assert desk.leave(frozenset([stream(desk)]))
        for ticket in tickets:
            ticket.result(60)

    found = box.read_streams(Buffer(tmp_path / FILE).outbox.parcels(frozenset(), 10_000))
    reasons = [record.data.reason for record in found.values() if not isinstance(record.data, StreamOpen)]
    assert sorted(map(int, reasons)) == list(range(2000))
    assert len({each for each, _, _ in found}) == 5


def test_without_room_the_stream_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has no room for a second file leaves the order undone and loses nothing."""
    box = TestBox()
    with running(tmp_path, box) as (desk, _):
        old = stream(desk)
        give(desk, range(50))
        with monkeypatch.context() as patch:
            patch.setattr("edge_agent.recorder.opening.disk_usage", lambda _: namedtuple("Usage", "free")(0))
            assert not desk.leave(frozenset([old]))
        give(desk, range(50, 100))
        assert stream(desk) == old

    found = box.read(Buffer(tmp_path / FILE).outbox.parcels(frozenset(), 10_000))
    assert len(found) == 101


def test_an_epoch_ends_when_its_recipients_change(tmp_path: Path) -> None:
    """The epoch after the order is sealed to the new recipient alone, and opens with its key."""
    box, new = OneSeal(), OpeningKey.generate()
    with running(tmp_path, box) as (desk, thread):
        give(desk, range(10))
        before = thread.status().epoch
        box.seal.recipients[:] = [new.public]
        desk.tell(EndEpoch())
        until(lambda: thread.status().epoch != before, "a new epoch")
        give(desk, range(10, 20))

    headers = [
        wire_epoch.parse(parcel.payload)
        for parcel in Buffer(tmp_path / FILE).outbox.parcels(frozenset(), 10_000)
        if parcel.what is Up.EPOCH
    ]
    sealed_to = [set(header.sealed) for header in headers]
    assert sealed_to == [{box.hq.public.key_id}, {new.public.key_id}]
