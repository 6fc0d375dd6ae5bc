"""Ingest's state machine, with real keys and the warehouse in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.ingest.core import (
    LETTERS_PER_HOUR,
    Acknowledge,
    Arrived,
    Commit,
    Committed,
    Core,
    Effect,
    Event,
    Failed,
    GiveBack,
    LookUp,
    Send,
)
from cloud_sync.ingest.judge import Message
from cloud_sync.seal.hpke import OpeningKey
from cloud_sync.wire import epoch as wire_epoch
from cloud_sync.wire.downlink import Hold, Pace, Receipt, Refusal, open_envelope
from cloud_sync.wire.topics import Up
from hq.warehouse.memory import MemoryWarehouse
from records import Lane, Record
from records.types import Weight
from tests.cloud_sync.ingest.box import KEYS, NOW, OPENING, ROOT, SIGNER, ZSTD, Box, sales


@dataclass
class World:
    """A core with its warehouse; `run` carries out what the core asks for, and keeps what a box and a broker see."""

    boxes: Sequence[Box]
    core: Core = field(default_factory=lambda: Core("se", KEYS, SIGNER))
    now: datetime = NOW
    sent: list[Send] = field(default_factory=list)
    acknowledged: list[object] = field(default_factory=list)
    given_back: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        keys = {(box.store, box.name): box.public_key for box in self.boxes}
        self.warehouse = MemoryWarehouse(keys, date(2020, 1, 1))

    def arrive(self, *messages: Message) -> None:
        self.run(self.core.step(Arrived(messages), self.now))

    def run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, LookUp):
                self.step(self.warehouse.look_up(effect.boxes, effect.epochs))
            elif isinstance(effect, Commit):
                self.step(Committed(self.warehouse.commit(effect.work)))
            elif isinstance(effect, Send):
                self.sent.append(effect)
            elif isinstance(effect, Acknowledge):
                self.acknowledged.extend(effect.tokens)
            else:
                self.given_back.extend(effect.tokens)

    def step(self, event: Event) -> None:
        self.run(self.core.step(event, self.now))

    def told(self, box: Box) -> list[Receipt | Hold | Refusal]:
        """What the box can open of what was sent to it."""
        return list(told(self.sent, box))


def told(effects: Iterable[Effect], box: Box) -> Iterator[Receipt | Hold | Refusal]:
    for effect in effects:
        if isinstance(effect, Send) and (effect.store, effect.box) == (box.store, box.name):
            envelope = open_envelope(effect.envelope, ROOT.public_key(), box.fingerprint, 1)
            assert envelope is not None
            if isinstance(envelope.body, Pace):
                continue  # by how long the transaction took, which is not what these tests are about
            assert isinstance(envelope.body, Receipt | Hold | Refusal)
            yield envelope.body


def name(payload: bytes) -> bytes:
    return sha256(payload).digest()[:16]


@pytest.fixture
def box() -> Box:
    return Box()


def test_header_and_batch_together_are_stored_and_receipted(box: Box) -> None:
    """A batch that overtook its header in one delivery is stored with it; one envelope receipts both."""
    world = World([box])
    batch, header = box.send_batch(sales(1, 20)), box.send_header()
    world.arrive(batch, header)

    assert len(world.warehouse.rows) == 20
    (receipt,) = world.told(box)
    assert isinstance(receipt, Receipt)
    assert set(receipt.each()) == {name(batch.payload), name(header.payload)}
    assert set(world.acknowledged) == {batch.token, header.token}


def test_nothing_is_said_before_the_commit(box: Box) -> None:
    """Until the warehouse has committed there is neither a receipt nor an acknowledgement."""
    world = World([box])
    asked = world.core.step(Arrived((box.send_header(), box.send_batch(sales(1, 3)))), NOW)
    assert [type(effect) for effect in asked] == [LookUp]
    known = world.warehouse.look_up(asked[0].boxes, asked[0].epochs)  # type: ignore[union-attr]
    effects = world.core.step(known, NOW)

    assert [type(effect) for effect in effects] == [Commit]
    after = world.core.step(Committed(world.warehouse.commit(effects[0].work)), NOW)  # type: ignore[union-attr]
    assert [type(effect) for effect in after] == [Send, Acknowledge]


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
    """Committed, but nobody heard: the same messages again store nothing new and are receipted."""
    world = World([box])
    messages = (box.send_header(), box.send_batch(sales(1, 5)))
    (asked,) = world.core.step(Arrived(messages), NOW)
    assert isinstance(asked, LookUp)
    (commit,) = world.core.step(world.warehouse.look_up(asked.boxes, asked.epochs), NOW)
    assert isinstance(commit, Commit)
    world.warehouse.commit(commit.work)
    world.step(Failed("connection lost after the commit"))
    world.arrive(*messages)

    assert len(world.warehouse.rows) == 5
    (receipt,) = world.told(box)
    assert isinstance(receipt, Receipt)
    assert len(receipt.each()) == 2


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
    world.arrive(batch)

    (hold,) = world.told(box)
    assert isinstance(hold, Hold)
    assert hold.each() == [box.epoch.epoch]
    assert world.acknowledged == [batch.token, batch.token]
    assert not world.warehouse.rows
    assert not world.warehouse.letters

    world.now += timedelta(seconds=11)
    world.arrive(batch)
    assert len(world.told(box)) == 2
    world.arrive(box.send_header(), batch)
    assert len(world.warehouse.rows) == 5


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


def test_a_batch_of_rows_is_stored_as_one_of_records(box: Box) -> None:
    """Sealed rows of the journal come out as the same records."""
    world = World([box])
    wanted = sales(1, 8)
    world.arrive(box.send_header(), box.send(Up.BATCH, box.rows(wanted)))

    assert [stored.opened.record for stored in world.warehouse.rows] == wanted


def test_one_rotten_row_costs_no_other(box: Box) -> None:
    """Of a batch of rows one that does not open stays unclaimed, the others are stored, the whole is kept."""
    world = World([box])
    rows = box.rows(sales(1, 8))
    broken = rows[:-1] + bytes([rows[-1] ^ 1])
    world.arrive(box.send_header(), box.send(Up.BATCH, broken))

    assert len(world.warehouse.rows) == 7
    assert [letter.payload for letter in world.warehouse.letters.values()] == [broken]
    assert [type(body) for body in world.told(box)] == [Receipt]
    world.arrive(box.send(Up.BATCH, rows))
    assert len(world.warehouse.rows) == 8


def test_a_type_of_a_later_release_is_held(box: Box) -> None:
    """A batch with a record type that this release does not know is held, not refused."""
    world = World([box])
    batch = box.epoch.seal_batch(Lane.VITAL, 1, [(9_999, b"\x90")], ZSTD, os.urandom)
    world.arrive(box.send_header(), box.send(Up.BATCH, batch))

    assert [type(body) for body in world.told(box)] == [Hold, Receipt]
    assert not world.warehouse.letters


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

    assert world.warehouse.heard[box.store, box.name].seq == 1


def test_a_heartbeat_of_another_box_is_a_dead_letter(box: Box) -> None:
    """A heartbeat that names another box than its topic is kept as a dead letter and changes no state."""
    other = Box(store="0301", key=box.key)
    world = World([box, other])
    world.arrive(box.send(Up.HEARTBEAT, other.heartbeat(1, 1)))

    assert not world.warehouse.heard
    assert len(world.warehouse.letters) == 1


@given(st.sampled_from([*Up, "else"]), st.binary(max_size=400))
def test_no_payload_crashes_the_core(what: str, payload: bytes) -> None:
    """Any bytes under any topic end acknowledged, with the machine ready for more."""
    box = _BOX
    world = World([box])
    world.arrive(Message(f"se/{box.store}/{box.name}/up/{what}", payload, payload), box.send_header())

    assert set(world.acknowledged) == {payload, box.header.raw}
    assert not world.given_back


_BOX = Box()
_HEADER, _BATCH, _ROWS = _BOX.header.raw, _BOX.batch(sales(3, 4)), _BOX.rows(sales(4, 4))
_BEAT = _BOX.heartbeat(1, 1)


@given(st.sampled_from([(Up.EPOCH, _HEADER), (Up.BATCH, _BATCH), (Up.BATCH, _ROWS), (Up.HEARTBEAT, _BEAT)]), st.data())
def test_no_mutilated_message_crashes_the_core(case: tuple[Up, bytes], data: st.DataObject) -> None:
    """Real messages with a piece replaced or cut out end acknowledged; of batches only untouched rows are stored."""
    what, whole = case
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    payload = whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:]
    world = World([_BOX])
    world.arrive(_BOX.send_header())
    world.arrive(_BOX.send(what, payload))

    assert payload in world.acknowledged
    if payload != whole and what is Up.BATCH:
        assert len(world.warehouse.rows) < 4


@given(
    st.recursive(
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    )
)
def test_a_record_of_any_shape_is_stored_or_set_aside(shape: object) -> None:
    """An authentic record whose content is not what its type says is set aside under its number, and receipted."""
    world = World([_BOX])
    raw = msgspec.msgpack.encode([1, "scale-1", 0, 0, 0, shape])
    batch = _BOX.epoch.seal_batch(Lane.NORMAL, 1, [(17, raw), (17, msgspec.msgpack.encode(shape))], ZSTD, os.urandom)
    world.arrive(_BOX.send_header(), _BOX.send(Up.BATCH, batch))

    assert len(world.warehouse.rows) + len(world.warehouse.aside) == 2
    assert [type(body) for body in world.told(_BOX)] == [Receipt]


def test_unknown_fields_are_kept(box: Box) -> None:
    """A field that a later release added arrives in `extra`."""
    world = World([box])
    raw = msgspec.msgpack.encode([1, "scale-1", 0, 0, 1, {"kg": "1.250", "tare": "0.010"}])
    batch = box.epoch.seal_batch(Lane.NORMAL, 1, [(17, raw)], ZSTD, os.urandom)
    world.arrive(box.send_header(), box.send(Up.BATCH, batch))

    (stored,) = world.warehouse.rows
    assert stored.opened.extra == {"tare": "0.010"}
    assert isinstance(stored.opened.record.data, Weight)
    assert isinstance(stored.opened.record, Record)
