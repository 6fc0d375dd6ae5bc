"""What is not a box's own word, or not whole, is held or refused and never stored."""

from __future__ import annotations

import os

import pytest

from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.downlink import Hold, Receipt, Refusal
from cloud_sync.wire.topics import Up
from tests.cloud_sync.ingest.box import OPENING, Box, sales
from tests.cloud_sync.ingest.world import World, name


def test_a_flipped_byte_is_a_dead_letter_and_a_refusal(box: Box) -> None:
    """A batch changed anywhere in its body is kept as a dead letter and refused; its neighbours are stored."""
    world = World([box])
    whole = box.batch(sales(1, 5))
    broken = whole[:-1] + bytes([whole[-1] ^ 1])
    world.arrive(box.send_header(), box.send(Up.BATCH, broken), box.send_batch(sales(2, 5)))

    assert len(world.warehouse.rows) == 5
    assert [letter.payload for letter in world.warehouse.letters.values()] == [broken]
    refusals = [body for body in world.told(box) if isinstance(body, Refusal)]
    assert [refusal.each() for refusal in refusals] == [[name(broken)]]
    world.arrive(box.send(Up.BATCH, whole))
    assert len(world.warehouse.rows) == 10, "the dead letter claimed nothing"


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_no_flipped_byte_stores_anything(box: Box, place: int) -> None:
    """Wherever a byte of header or body is flipped, no record is stored and no receipt given."""
    world = World([box])
    batch = bytearray(box.batch(sales(1, 3)))
    batch[place] ^= 0x20
    world.arrive(box.send_header())
    world.sent.clear()
    world.arrive(box.send(Up.BATCH, bytes(batch)))

    assert not world.warehouse.rows
    assert not [body for body in world.told(box) if isinstance(body, Receipt)]


def test_a_batch_under_another_stores_topic_is_refused(box: Box) -> None:
    """A known box that sends another's batch or header gets dead letters; the owner's own is stored."""
    thief = Box(store="0301")
    world = World([box, thief])
    header, batch = box.header.raw, box.batch(sales(1, 5))
    world.arrive(box.send_header(), thief.send(Up.BATCH, batch), thief.send(Up.EPOCH, header))

    assert not world.warehouse.rows
    refused = {digest for body in world.told(thief) if isinstance(body, Refusal) for digest in body.each()}
    assert refused == {name(batch), name(header)}
    world.arrive(box.send(Up.BATCH, batch))
    assert len(world.warehouse.rows) == 5


def test_a_forged_header_opens_nothing(box: Box) -> None:
    """A header under the box's name and fingerprint signed by another key is refused and its epoch stays unknown."""
    forger = Box()
    identity = forger.header.identity._replace(fingerprint=box.fingerprint)
    forged = wire_epoch.sign(identity, forger.epoch.sealed_for(identity, [OPENING.public]), forger.key)
    world = World([box])
    world.arrive(box.send(Up.EPOCH, forged.raw))

    assert not world.warehouse.epochs
    assert [type(body) for body in world.told(box)] == [Refusal]


def test_a_header_of_an_unregistered_key_is_held(box: Box) -> None:
    """A header of another key than the registered one is neither stored nor refused: it may be an older one."""
    twin = Box(store=box.store, name=box.name)
    world = World([box])
    world.arrive(twin.send_header())

    assert not world.warehouse.epochs
    assert not world.sent


def test_a_header_sealed_to_another_key_is_held(box: Box) -> None:
    """A header that none of HQ's keys opens is held: nothing is stored, nothing refused."""
    stranger = OpeningKey.generate()
    identity = box.header.identity
    header = wire_epoch.sign(identity, box.epoch.sealed_for(identity, [stranger.public]), box.key)
    world = World([box])
    world.arrive(box.send(Up.EPOCH, header.raw))

    assert [type(body) for body in world.told(box)] == [Hold]
    assert not world.warehouse.epochs


def test_an_epoch_that_is_known_otherwise_is_not_replaced(box: Box) -> None:
    """A second header of a known epoch with another content is refused, and the first stays."""
    world = World([box])
    world.arrive(box.send_header())
    identity = box.header.identity._replace(stream=os.urandom(16))
    header = wire_epoch.sign(identity, box.epoch.sealed_for(identity, [OPENING.public]), box.key)
    world.arrive(box.send(Up.EPOCH, header.raw))

    assert [type(body) for body in world.told(box)] == [Receipt, Refusal]
    assert world.warehouse.epochs[box.epoch.epoch].header.raw == box.header.raw


def test_a_heartbeat_of_another_box_is_a_dead_letter(box: Box) -> None:
    """A heartbeat that names another box than its topic is kept as a dead letter and changes no state."""
    other = Box(store="0301", key=box.key)
    world = World([box, other])
    world.arrive(box.send(Up.HEARTBEAT, other.heartbeat(1, 1)))

    assert not world.warehouse.heard
    assert len(world.warehouse.letters) == 1
