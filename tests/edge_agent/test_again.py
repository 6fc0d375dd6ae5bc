"""Re-sends: what HQ misses and the box still holds goes again, grace too; the rest is answered `not held`."""

from __future__ import annotations

from pathlib import Path

from cloud_sync.wire.batch import parse
from cloud_sync.wire.downlink import ANY_EPOCH
from cloud_sync.wire.topics import Up
from edge_agent.recorder.desk import Desk, Submission
from edge_agent.recorder.messages import Evicted, Receipted
from records import Lane
from tests.edge_agent.boxes import TestBox, some_records
from tests.edge_agent.test_recorder import running, until

COUNT = 300


def submitted(desk: Desk) -> tuple[bytes, bytes, int]:
    """Stream, epoch and the highest number of the normal lane, once all is cut."""
    desk.submit(Submission("source", some_records(COUNT), [None] * COUNT, {})).result()
    until(lambda: not desk.ask(lambda buffer: buffer._db.all("SELECT 1 FROM journal LIMIT 1")), "all to be cut")
    status = desk.ask(lambda buffer: buffer.view())
    assert status.identity is not None
    assert status.epoch is not None
    return status.identity.stream, status.epoch[1], status.next[Lane.NORMAL] - 1


def settled(desk: Desk) -> list[bytes]:
    """Digests of everything, receipted."""
    digests = [parcel.digest for parcel in desk.parcels(frozenset(), 10_000)]
    desk.tell(Receipted(tuple(digest[:16] for digest in digests)))
    until(lambda: not desk.parcels(frozenset(), 1), "the receipts to be kept")
    return digests


def test_grace_goes_again_when_it_is_asked_for(tmp_path: Path) -> None:
    """Receipted batches and their header wait for a receipt once more, and the new one settles them."""
    with running(tmp_path, TestBox()) as (desk, _):
        stream, epoch, last = submitted(desk)
        settled(desk)
        missing = desk.want_again([(stream, epoch, int(Lane.NORMAL), 1, last)])
        until(lambda: desk.parcels(frozenset(), 1), "the batches to come again")
        again = desk.parcels(frozenset(), 10_000)
        settled(desk)

    assert missing == ()
    assert [parcel.what for parcel in again].count(Up.EPOCH) == 1
    batches = [parse(parcel.payload)[0] for parcel in again if parcel.what is Up.BATCH]
    assert {header.lane for header in batches} == {Lane.NORMAL}
    assert sum(header.size for header in batches) == last


def test_an_epoch_that_headquarters_never_saw_is_found_by_its_stream(tmp_path: Path) -> None:
    """Zeros for the epoch mean any of the stream's; only what holds a wanted number goes again."""
    with running(tmp_path, TestBox()) as (desk, _):
        stream, _, last = submitted(desk)
        settled(desk)
        missing = desk.want_again([(stream, ANY_EPOCH, int(Lane.NORMAL), last, last)])
        until(lambda: desk.parcels(frozenset(), 1), "the batch to come again")
        again = [parcel for parcel in desk.parcels(frozenset(), 10_000) if parcel.what is Up.BATCH]

    assert missing == ()
    assert [parse(parcel.payload)[0].last for parcel in again] == [last]


def test_what_is_gone_is_named_to_the_number(tmp_path: Path) -> None:
    """Evicted grace, numbers never given, and another stream are not held; nothing goes again for them."""
    with running(tmp_path, TestBox()) as (desk, _):
        stream, epoch, last = submitted(desk)
        settled(desk)
        gone = desk.ask(lambda buffer: buffer.outbox.evictable(1, frozenset(), 0))
        desk.tell(Evicted(gone))
        until(lambda: not desk.ask(lambda b: b.outbox.evictable(1, frozenset(), 0)) or len(gone) > 0, "eviction")
        lane, first, end = int(gone[0].lane), gone[0].first, gone[0].last
        wanted = [
            (stream, epoch, lane, first, end + 0),
            (stream, epoch, int(Lane.NORMAL), last, last + 5),
            (bytes(16), epoch, int(Lane.NORMAL), 1, 2),
        ]
        until(lambda: wanted[0] in desk.want_again(wanted), "the grace to be gone")
        missing = desk.want_again(wanted)

    assert missing == (wanted[0], (stream, epoch, int(Lane.NORMAL), last + 1, last + 5), wanted[2])


def test_what_is_not_cut_yet_is_held(tmp_path: Path) -> None:
    """Rows of the journal need no answer: they will be sent anyway."""
    with running(tmp_path, TestBox()) as (desk, thread):
        desk.submit(Submission("source", some_records(COUNT), [None] * COUNT, {})).result()
        status = desk.ask(lambda buffer: buffer.view())
        assert status.identity is not None
        assert status.epoch is not None
        span = (status.identity.stream, status.epoch[1], int(Lane.NORMAL), 1, status.next[Lane.NORMAL] - 1)
        missing = desk.want_again([span])
        assert thread.turns()

    assert missing == ()
