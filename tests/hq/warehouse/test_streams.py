"""Streams that went two ways, boxes that are two, and what explains a number that is not stored: on both warehouses."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from cloud_sync.ingest.work import Beat, Letter, Reply, Sender, Work
from cloud_sync.wire.downlink import ANY_EPOCH
from cloud_sync.wire.heartbeat import Answer, LaneState
from hq.complete import BoxReport, report, wanted
from records import Lane, Record
from records.types import Loss, StreamOpen
from tests.cloud_sync.ingest.box import NOW, Box, weigh
from tests.hq.warehouse.houses import House, Make, work

NOW_US = int(NOW.timestamp() * 1_000_000)


def image(box: Box) -> Box:
    """The same disk in a second machine, or put back later: it goes on from here by itself."""
    copy = replace(box, seqs=list(box.seqs))  # makes an epoch that follows none
    copy.epoch, copy.header = box.epoch, box.header
    return copy


def next_epoch(box: Box) -> Box:
    box.new_epoch()
    return box


def beat(box: Box, seq: int, *, session: int = 1, at_s: int = 0, rows: int = 0, skew_ms: int | None = 0) -> Work:
    lanes = tuple(LaneState(accepted=next_ - 1, rows=rows) for next_ in box.seqs)
    body = box.beat(session, seq, clock=1, skew_ms=skew_ms, at_us=NOW_US + at_s * 1_000_000, lanes=lanes)
    return Work(NOW, (Beat(Sender(box.store, box.name, box.fingerprint), body),))


def one(house: House) -> BoxReport:
    (found,) = (report(standing) for standing in house.standings())
    return found


def test_two_epochs_with_one_predecessor_are_a_fork(make: Make) -> None:
    """A copied disk: the same numbers twice are two records each, both stored, and the stream is reported."""
    box = Box()
    house = make(box)
    house.port.commit(work(box, box.batch(weigh(10))))
    copy = image(box)
    for side in (box, copy):
        next_epoch(side)
        house.port.commit(work(side, side.batch(weigh(5))))

    assert len(house.records()) == 20
    assert house.noticed() == {("fork", box.stream.hex())}
    found = one(house)
    assert found.forked == (box.stream,)
    assert [lane.stored for lane in found.lanes] == [0, 20, 0]
    assert found.missing == 0


def test_a_gap_in_one_branch_is_not_hidden_by_the_other(make: Make) -> None:
    """Numbers that one branch misses are missing though the other branch stored the same numbers."""
    box = Box()
    house = make(box)
    house.port.commit(work(box, box.batch(weigh(10))))
    copy = image(box)
    next_epoch(box)
    house.port.commit(work(box, box.batch(weigh(30))))
    next_epoch(copy)
    lost = copy.batch(weigh(10))
    house.port.commit(work(copy, copy.batch(weigh(10))))

    found = one(house)
    assert found.missing == 10
    assert wanted([found]) == {(box.store, box.name): [(box.stream, copy.epoch.epoch, 1, 11, 20)]}
    house.port.commit(work(copy, lost))
    assert one(house).missing == 0
    assert len(house.records()) == 60


def test_numbers_beyond_the_next_epochs_first_are_a_fork(make: Make) -> None:
    """An image taken while the box ran on: the old epoch gives numbers that the epoch after it gives too."""
    for late_header in (False, True):
        box = Box(store=f"021{int(late_header)}")
        house = make(box)
        house.port.commit(work(box, box.batch(weigh(10))))
        copy = next_epoch(image(box))
        steps = [work(copy, copy.batch(weigh(5))), work(box, box.batch(weigh(20)))]
        for step in reversed(steps) if late_header else steps:
            house.port.commit(step)

        assert ("fork", box.stream.hex()) in house.noticed()
        assert len([name for name in house.records() if name.startswith(box.stream.hex())]) == 35


def test_an_ordinary_chain_of_epochs_is_no_fork(make: Make) -> None:
    """Epochs one after another, in whatever order they come, are one way."""
    box = Box()
    house = make(box)
    works = []
    for _ in range(5):
        works.append(work(box, box.batch(weigh(7))))
        next_epoch(box)
    for step in reversed(works):
        house.port.commit(step)

    assert house.noticed() == set()
    assert (one(house).missing, one(house).forked) == (0, ())


def test_two_machines_under_one_name_are_told(make: Make) -> None:
    """Heartbeats that go back and forth between two epochs are two boxes, not a restored image."""
    box = Box()
    house = make(box)
    copy = next_epoch(image(box))
    for side in (box, copy):
        house.port.commit(work(side))
    steps = [(box, 0), (copy, 1), (box, 2), (copy, 3)]
    for seq, (side, at_s) in enumerate(steps, 1):
        house.port.commit(beat(side, seq, at_s=at_s))
    assert ("two-boxes", box.name) in house.noticed()


def test_a_heartbeat_that_came_late_is_no_second_box(make: Make) -> None:
    """Old heartbeats that the broker delivers again tell nothing."""
    box = Box()
    house = make(box)
    first = beat(box, 1, at_s=0)
    next_epoch(box)
    for step in (first, beat(box, 2, at_s=60), first, beat(box, 3, at_s=120), first):
        house.port.commit(step)

    assert house.noticed() == set()


def test_a_last_word_that_an_epochs_successor_overtook_is_no_second_box(make: Make) -> None:
    """What a session said before stays before, though the broker delivers it after."""
    box = Box()
    house = make(box)
    steps = [beat(box, 1, at_s=0), beat(box, 2, at_s=60)]
    next_epoch(box)
    steps[1:1] = [beat(box, 3, at_s=120)]
    for step in (*steps, beat(box, 4, at_s=180)):
        house.port.commit(step)

    assert house.noticed() == set()
    assert house.heard(box) == (1, 4, True)


def test_a_box_that_begins_anew_was_reimaged(make: Make) -> None:
    """A new stream without a predecessor is no fork: it is reported with the stream that it leaves behind."""
    old = Box()
    house = make(old)
    house.port.commit(work(old, old.batch(weigh(10))))
    house.port.commit(beat(replace_seqs(old, 15), 1))
    new = Box(key=old.key)
    opening = Record("agent", NOW, StreamOpen(old.store, old.name, "new"))
    house.port.commit(work(new, new.batch([opening]), new.batch(weigh(3))))

    assert house.noticed() == {("re-imaged", new.stream.hex())}
    found = one(house)
    assert {lane.stream: lane.missing for lane in found.lanes if lane.missing} == {old.stream: ((11, 14),)}


def replace_seqs(box: Box, following: int) -> Box:
    """As if it had accepted more than it sent."""
    box.seqs[Lane.NORMAL] = following
    return box


def test_an_old_image_put_back_after_a_new_stream_is_told(make: Make) -> None:
    """The stream of before speaks again in a new epoch: an old image was restored, no second box yet."""
    old = Box()
    house = make(old)
    house.port.commit(work(old))
    house.port.commit(beat(old, 1, at_s=0))
    new = Box(key=old.key)
    house.port.commit(work(new))
    house.port.commit(beat(new, 1, at_s=60))
    back = next_epoch(image(old))
    house.port.commit(work(back))
    house.port.commit(beat(back, 9, at_s=120))

    assert house.noticed() == {("old-image", old.name)}


def test_a_salvaged_stream_names_its_predecessor(make: Make) -> None:
    """A new stream with a predecessor is the same box going on, which is worth no alarm."""
    old = Box()
    house = make(old)
    house.port.commit(work(old))
    new = Box(key=old.key)
    opening = Record("agent", NOW, StreamOpen(old.store, old.name, "salvaged", old.stream.hex()))
    house.port.commit(work(new, new.batch([opening])))

    assert house.noticed() == set()


def test_what_a_box_does_not_hold_is_lost_and_named(make: Make) -> None:
    """Its answer to a re-send explains the range; what comes all the same is stored and no longer lost."""
    box = Box()
    house = make(box)
    batches = [box.batch(weigh(10)) for _ in range(4)]
    house.port.commit(work(box, batches[0], batches[3]))
    sender = Sender(box.store, box.name, box.fingerprint)
    answer = Answer(box.store, box.name, NOW_US, not_held=((box.stream, ANY_EPOCH, 1, 11, 30),))
    assert one(house).missing == 20
    house.port.commit(Work(NOW, (Reply(sender, answer),)))

    found = one(house)
    assert (found.missing, found.lost) == (0, 20)
    assert [lane.lost_ranges for lane in found.lanes if lane.lost] == [((11, 30),)]
    house.port.commit(work(box, batches[1]))
    assert one(house).lost == 10


def test_another_stores_word_explains_nothing(make: Make) -> None:
    """Only a box of the same store can say what became of a stream's numbers."""
    box, other = Box(), Box(store="0301")
    house = make(box, other)
    house.port.commit(work(box, box.batch(weigh(5), 6)))
    gone = Loss("evicted", 5, {"weight": 5}, box.stream.hex(), box.epoch.epoch.hex(), 1, 1, 5)
    answer = Answer(other.store, other.name, NOW_US, not_held=((box.stream, ANY_EPOCH, 1, 1, 5),))
    house.port.commit(work(other, other.batch([Record("agent", NOW, gone)])))
    house.port.commit(Work(NOW, (Reply(Sender(other.store, other.name, other.fingerprint), answer),)))

    (found,) = (report(each) for each in house.standings() if each.store == box.store)
    assert found.missing == 5


@pytest.mark.parametrize("sealed", [True, False])
def test_a_refused_batch_explains_its_numbers_where_the_box_sealed_it(make: Make, sealed: bool) -> None:
    """A dead letter's numbers are refused, not missing; one that anybody could have written explains nothing."""
    box = Box()
    house = make(box)
    good, bad = box.batch(weigh(10)), box.batch(weigh(10))
    house.port.commit(work(box, good))
    sender, topic = Sender(box.store, box.name, box.fingerprint), f"se/{box.store}/{box.name}/up/batch"
    letter = Letter(sender, sha256(bad).digest(), topic, "rotten", bad, refused=True, sealed=sealed)
    house.port.commit(Work(NOW, (letter,)))
    house.port.commit(beat(box, 1))

    found = one(house)
    assert (found.missing, [lane.refused for lane in found.lanes]) == ((0, [0, 10, 0]) if sealed else (10, [0, 0, 0]))


@pytest.mark.parametrize("skew_ms", [None, 0])
def test_a_heartbeat_vouches_for_what_can_be_dated_and_placed(make: Make, skew_ms: int | None) -> None:
    """Of an epoch that HQ does not have, or by a clock that was not yet held against HQ's, it says nothing of when."""
    box = Box()
    house = make(box)
    house.port.commit(beat(box, 1, at_s=-60, skew_ms=0))
    house.port.commit(work(box, box.batch(weigh(10))))
    assert one(house).complete_to is None

    house.port.commit(beat(box, 2, at_s=-30, skew_ms=skew_ms))
    assert (one(house).complete_to is None) == (skew_ms is None)


def test_complete_to_the_newest_heartbeat_that_everything_reaches(make: Make) -> None:
    """While a backlog drains, a box is complete to the last heartbeat before it; then to the newest."""
    box = Box()
    house = make(box)
    house.port.commit(work(box, box.batch(weigh(10))))
    house.port.commit(beat(box, 1, at_s=-600))
    backlog, fresh = box.batch(weigh(50)), box.batch(weigh(5))
    house.port.commit(work(box, fresh))
    house.port.commit(beat(box, 2, at_s=-60, rows=50))

    complete = one(house).complete_to
    assert complete is not None
    assert (NOW - complete).total_seconds() == 600
    assert wanted([one(house)]) == {}, "what waits for its turn is not asked for"
    house.port.commit(work(box, backlog))
    complete = one(house).complete_to
    assert complete is not None
    assert (NOW - complete).total_seconds() == 60
