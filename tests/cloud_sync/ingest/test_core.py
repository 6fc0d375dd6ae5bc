"""Ingest's state machine: when it asks, commits, answers and gives back, with real keys and the warehouse in memory."""

from __future__ import annotations

import os
from datetime import timedelta

from cloud_sync.ingest.core import (
    ENOUGH,
    LETTERS_PER_HOUR,
    LOOK_AGAIN_S,
    PATIENCE,
    Acknowledge,
    Arrived,
    Commit,
    Committed,
    Core,
    Failed,
    GiveBack,
    LookUp,
    Send,
)
from cloud_sync.ingest.work import Header
from cloud_sync.wire.downlink import Hold, Receipt
from cloud_sync.wire.topics import Up
from tests.cloud_sync.ingest.box import KEYS, NOW, SIGNER, Box, sales, weigh
from tests.cloud_sync.ingest.world import World, name


def receipts(world: World, box: Box) -> list[Receipt]:
    """What the box was told, all of them receipts."""
    told = world.told(box)
    assert all(isinstance(body, Receipt) for body in told)
    return told  # type: ignore[return-value]


def test_header_and_batch_together_are_stored_and_receipted(box: Box) -> None:
    """A batch that overtook its header in one delivery is stored after it; both are receipted, the header first."""
    world = World([box])
    batch, header = box.send_batch(sales(1, 20)), box.send_header()
    world.arrive(batch, header)

    assert len(world.warehouse.rows) == 20
    assert [receipt.each() for receipt in receipts(world, box)] == [[name(header.payload)], [name(batch.payload)]]
    assert world.acknowledged == [header.token, batch.token]


def test_a_header_waits_for_no_batch(box: Box) -> None:
    """While a full transaction is under way a header comes: it is the next, alone, since other workers wait for it."""
    world = World([box])
    world.arrive(box.send_header())
    (under_way,) = world.core.step(Arrived((box.send_batch(weigh(ENOUGH)),)), NOW)
    assert isinstance(under_way, Commit)
    world.core.step(Arrived((box.send_batch(weigh(3)),)), NOW)
    box.new_epoch()
    (asked,) = world.core.step(Arrived((box.send_header(),)), NOW)
    assert isinstance(asked, LookUp)
    world.core.step(world.warehouse.look_up(asked.boxes, asked.epochs), NOW)

    *_, following = world.core.step(Committed(world.warehouse.commit(under_way.work)), NOW)
    assert isinstance(following, Commit)
    assert [type(part) for part in following.work.parts] == [Header]
    world.step(Committed(world.warehouse.commit(following.work)))
    assert len(world.warehouse.rows) == ENOUGH + 3


def test_nothing_is_said_before_the_commit(box: Box) -> None:
    """Until the warehouse has committed there is neither a receipt nor an acknowledgement, of header or batch."""
    world = World([box])
    (asked,) = world.core.step(Arrived((box.send_header(), box.send_batch(sales(1, 3)))), NOW)
    assert isinstance(asked, LookUp)
    effects = world.core.step(world.warehouse.look_up(asked.boxes, asked.epochs), NOW)

    for following in ([Send, Acknowledge, Commit], [Send, Acknowledge]):
        commit = effects[-1]
        assert isinstance(commit, Commit)
        assert len(commit.work.parts) == 1
        effects = world.core.step(Committed(world.warehouse.commit(commit.work)), NOW)
        assert [type(effect) for effect in effects] == following


def test_what_comes_during_a_look_up_sets_off_no_circle_of_them(box: Box) -> None:
    """New epochs that arrive one by one while the warehouse is asked are asked for once each, and then stored."""
    world = World([box])
    first = box.send_header()
    box.new_epoch()
    asked = world.core.step(Arrived((first,)), NOW)
    world.core.step(Arrived((box.send_header(),)), NOW)
    epochs = []
    while isinstance(asked[0], LookUp):
        epochs.append(asked[0].epochs)
        assert len(epochs) <= 2
        asked = world.core.step(world.warehouse.look_up(asked[0].boxes, asked[0].epochs), NOW)

    assert [len(some) for some in epochs] == [1, 1]
    assert isinstance(asked[0], Commit)
    assert len(list(asked[0].work.headers())) == 2


def test_what_waits_for_its_transaction_is_bounded(box: Box) -> None:
    """While one transaction is under way the next fills up, can be looked into, and is at some time enough."""
    world = World([box])
    (asked,) = world.core.step(Arrived((box.send_header(),)), NOW)
    assert isinstance(asked, LookUp)
    (commit,) = world.core.step(world.warehouse.look_up(asked.boxes, asked.epochs), NOW)
    assert isinstance(commit, Commit)
    records = weigh(ENOUGH // 2)
    for expected in (False, True):
        assert world.core.step(Arrived((box.send_batch(records),)), NOW) == []
        assert world.core.full is expected
    assert [len(batch.entries) for batch in world.core.ready()] == [ENOUGH // 2] * 2

    world.step(Committed(world.warehouse.commit(commit.work)))
    assert not world.core.full
    assert len(world.warehouse.rows) == ENOUGH


def test_a_drained_window_goes_in_several_transactions(box: Box) -> None:
    """What comes at once is more than one transaction takes: the rest goes into the next, in order."""
    world = World([box])
    world.arrive(box.send_header())
    batches = [box.send_batch(weigh(ENOUGH // 4)) for _ in range(10)]
    sizes: list[int] = []
    firsts: list[int] = []
    (effect,) = world.core.step(Arrived(tuple(batches)), NOW)
    while isinstance(effect, Commit):
        taken = [batch.first for batch in effect.work.batches()]
        sizes.append(len(taken))
        firsts += taken
        effect = world.core.step(Committed(world.warehouse.commit(effect.work)), NOW)[-1]

    assert (sizes, firsts) == ([4, 4, 2], sorted(firsts))
    assert len(world.warehouse.rows) == 10 * (ENOUGH // 4)


def test_what_failed_comes_again_and_is_stored_once(box: Box) -> None:
    """After a failure everything goes back to the broker, unanswered, and its second coming is stored."""
    world = World([box])
    messages = (box.send_header(), box.send_batch(sales(1, 5)))
    (asked,) = world.core.step(Arrived(messages), NOW)
    assert isinstance(asked, LookUp)
    world.core.step(world.warehouse.look_up(asked.boxes, asked.epochs), NOW)
    world.step(Failed("connection lost"))

    assert set(world.given_back) == {message.token for message in messages}
    assert not world.sent
    world.arrive(*messages)
    assert len(world.warehouse.rows) == 5
    assert len(world.warehouse.epochs) == 1


def test_a_commit_whose_answer_was_lost_is_receipted_at_its_second_coming(box: Box) -> None:
    """Committed, but nobody heard, first of the header, then of the batch: the same again is new to nobody, and
    receipted.
    """
    world = World([box])
    header, batch = box.send_header(), box.send_batch(sales(1, 5))
    for message in (header, batch):
        effect = world.core.step(Arrived((message,)), NOW)[0]
        if isinstance(effect, LookUp):
            effect = world.core.step(world.warehouse.look_up(effect.boxes, effect.epochs), NOW)[0]
        assert isinstance(effect, Commit)
        world.warehouse.commit(effect.work)
        before = receipts(world, box)
        world.step(Failed("connection lost after the commit"))
        assert receipts(world, box) == before
        world.arrive(message)
        assert receipts(world, box)[-1].each() == [name(message.payload)]

    assert len(world.warehouse.epochs) == 1
    assert len(world.warehouse.rows) == 5


def test_delays_double_while_the_warehouse_is_away(box: Box) -> None:
    """Every further failure without a commit between them gives back for longer, up to half a minute."""
    core = Core("se", KEYS, SIGNER)
    delays = []
    for _ in range(8):
        core.step(Arrived((box.send_header(),)), NOW)
        (back,) = core.step(Failed("away"), NOW)
        assert isinstance(back, GiveBack)
        delays.append(back.delay_s)

    assert delays == [2, 4, 8, 16, 30, 30, 30, 30]


def test_an_unknown_epoch_is_held_not_stored_not_refused(box: Box) -> None:
    """A batch whose header never came is dropped with one hold for its epoch, and the same again soon is not."""
    world = World([box])
    batch = box.send_batch(sales(1, 5))
    world.arrive(batch)
    assert (world.given_back, world.acknowledged, world.told(box)) == ([batch.token], [], [])
    world.now += PATIENCE
    world.arrive(batch)
    world.arrive(batch)

    (hold,) = world.told(box)
    assert isinstance(hold, Hold)
    assert hold.each() == [box.epoch.epoch]
    assert world.acknowledged == [batch.token, batch.token]
    assert not world.warehouse.rows
    assert not world.warehouse.letters

    world.now += timedelta(seconds=11)
    world.arrive(batch)
    world.now += PATIENCE
    world.arrive(batch)
    assert len(world.told(box)) == 2
    world.arrive(box.send_header(), batch)
    assert len(world.warehouse.rows) == 5


def test_a_header_under_way_at_another_worker_is_waited_for(box: Box) -> None:
    """A batch that comes before the other worker has committed its epoch's header is stored without a hold."""
    one, other = World([box]), World([box])
    other.warehouse = one.warehouse
    batch = box.send_batch(sales(1, 5))
    other.arrive(batch)
    one.arrive(box.send_header())
    assert other.given_back == [batch.token]
    other.now += timedelta(seconds=LOOK_AGAIN_S)
    other.arrive(batch)

    (receipt,) = other.told(box)
    assert isinstance(receipt, Receipt)
    assert len(one.warehouse.rows) == 5


def test_an_epoch_of_the_warehouse_is_known_to_a_new_worker(box: Box) -> None:
    """A worker that starts anew opens batches of epochs that an earlier one committed."""
    world = World([box])
    world.arrive(box.send_header())
    world.core = Core("se", KEYS, SIGNER)
    world.arrive(box.send_batch(sales(1, 5)))

    assert len(world.warehouse.rows) == 5


def test_an_unknown_box_is_dropped_and_counted(box: Box) -> None:
    """What an unregistered box sends is neither stored nor answered, and delays nobody."""
    stranger = Box(store="0999")
    world = World([box])
    world.arrive(
        stranger.send_header(), stranger.send_batch(sales(1, 5)), box.send_header(), box.send_batch(sales(2, 5))
    )

    assert len(world.warehouse.rows) == 5
    assert len(world.acknowledged) == 4
    assert not world.told(stranger)
    assert not world.warehouse.letters
    assert world.core.counts["ignored: box that is not registered"] == 2


def test_dead_letters_are_bounded_for_a_box_and_hour(box: Box) -> None:
    """A box that sends nothing but garbage fills no table; the next hour it is heard again."""
    world = World([box])
    garbage = [box.send(Up.BATCH, os.urandom(64)) for _ in range(LETTERS_PER_HOUR + 50)]
    world.arrive(*garbage)

    assert len(world.warehouse.letters) == LETTERS_PER_HOUR
    assert len(world.told(box)) == LETTERS_PER_HOUR
    assert len(world.acknowledged) == len(garbage)
    world.now += timedelta(hours=1)
    world.arrive(box.send(Up.BATCH, os.urandom(64)))
    assert len(world.warehouse.letters) == LETTERS_PER_HOUR + 1


def test_a_revoked_box_is_no_longer_believed(box: Box) -> None:
    """Half a minute after the warehouse forgot the box its heartbeats are dropped."""
    world = World([box])
    world.arrive(box.send(Up.HEARTBEAT, box.heartbeat(1, 1)))
    del world.warehouse.boxes[box.store, box.name]
    world.now += timedelta(seconds=31)
    world.arrive(box.send(Up.HEARTBEAT, box.heartbeat(1, 2)))

    assert world.warehouse.heard[box.store, box.name].body.seq == 1
