"""No bytes from the broker stop ingest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.ingest.judge import Message
from cloud_sync.wire.topics import Up
from tests.cloud_sync.ingest.box import Box, sales
from tests.cloud_sync.ingest.world import World


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
