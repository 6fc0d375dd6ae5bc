"""The relay's copies in memory: a ring in which the oldest make room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.escpos_tap.tee_frames import ANSWER, DATA, HEADER, LOST, Frame, unpacked
from edge_agent.relay.ring import Ring

ROOM = 600


def frames(ring: Ring) -> list[Frame]:
    found, place = [], ring.tail
    while told := ring.frame(place):
        read = unpacked(told, 0)
        assert read
        found.append(read[0])
        place += len(told)
    return found


@given(pieces=st.lists(st.binary(min_size=1, max_size=300), max_size=40))
def test_the_newest_stay_and_the_rest_is_counted(pieces: list[bytes]) -> None:
    """What is kept is the end of what came, in order; bytes kept and bytes told as lost are all there were."""
    ring = Ring(ROOM)
    lost = 0
    for piece in pieces:
        ring.append(DATA, 1, 0, piece)
    kept = [one for one in frames(ring) if one.kind == DATA]
    assert [one.data for one in kept] == pieces[len(pieces) - len(kept) :]
    assert [one.sequence for one in frames(ring)] == sorted(one.sequence for one in frames(ring))
    lost = sum(ANSWER.unpack(one.data)[0] for one in frames(ring) if one.kind == LOST)
    assert lost <= sum(map(len, pieces))
    assert sum(HEADER.size + len(one.data) for one in frames(ring)) <= ROOM


def test_what_is_stored_is_forgotten() -> None:
    """Up to and including the answered sequence."""
    ring = Ring(ROOM)
    for number in range(5):
        ring.append(DATA, 1, 0, bytes([number]))
    ring.forget(ring.first_after(3))
    assert [one.sequence for one in frames(ring)] == [4, 5]
    ring.forget(ring.first_after(99))
    assert frames(ring) == []


def test_a_loss_is_told_when_there_is_room_again() -> None:
    """With the number of bytes that were dropped."""
    ring = Ring(ROOM)
    for _ in range(10):
        ring.append(DATA, 1, 0, b"x" * 100)
    ring.forget(ring.head)
    ring.append(DATA, 1, 0, b"y")
    told = frames(ring)
    assert [one.kind for one in told] == [LOST, DATA]
    assert ANSWER.unpack(told[0].data)[0] > 0


def test_a_piece_larger_than_the_ring_is_lost_alone() -> None:
    """It takes no other with it."""
    ring = Ring(ROOM)
    ring.append(DATA, 1, 0, b"a")
    ring.append(DATA, 1, 0, b"x" * (ROOM + 1))
    assert [one.data for one in frames(ring)] == [b"a"]
