"""What a batch holds comes out record by record, whatever one of them is."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.wire.batch import pack_records, unpack_records
from cloud_sync.wire.downlink import Hold, Receipt
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import Up
from records import Lane, Record
from records.types import Weight
from tests.cloud_sync.ingest.box import ZSTD, Box, sales
from tests.cloud_sync.ingest.world import World

_BOX = Box()


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
    assert [type(body) for body in world.told(box)] == [Receipt, Receipt]  # of the header, of the batch
    world.arrive(box.send(Up.BATCH, rows))
    assert len(world.warehouse.rows) == 8


def test_a_type_of_a_later_release_is_held(box: Box) -> None:
    """A batch with a record type that this release does not know is held, not refused."""
    world = World([box])
    batch = box.epoch.seal_batch(Lane.VITAL, 1, [(9_999, b"\x90")], ZSTD, os.urandom)
    world.arrive(box.send_header(), box.send(Up.BATCH, batch))

    assert [type(body) for body in world.told(box)] == [Hold, Receipt]
    assert not world.warehouse.letters


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
    assert [type(body) for body in world.told(_BOX)] == [Receipt, Receipt]  # of the header, of the batch


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


def test_a_body_that_is_cut_off_says_so_wherever_it_is() -> None:
    """Records that end early are an error at every byte but the ends of records, where only their number can tell."""
    pairs = [(17, b"abc"), (3, b""), (7, b"de")]
    body = pack_records(pairs)
    ends = [len(pack_records(pairs[:count])) for count in range(len(pairs) + 1)]
    for at in range(len(body) + 1):
        if at in ends:
            assert list(unpack_records(body[:at])) == pairs[: ends.index(at)]
            continue
        with pytest.raises(WireError, match="cut off"):
            list(unpack_records(body[:at]))
