"""Noise in a row is told as one, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Item, Reading, Rejected
from devices.gathered import ALONE, MOST, Gathered
from records.types import PaymentCode

AT = datetime(2026, 11, 21, tzinfo=UTC)


class Bytes:
    """0 is a reading, every other byte noise of one of three kinds."""

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return [
            Rejected(f"kind {byte % 3}", bytes([byte]), at) if byte else Reading(PaymentCode("alipay"), at)
            for byte in data
        ]

    def end(self, at: datetime) -> Sequence[Item]:
        return [Rejected("kind 0", b"end", at)]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_whatever_the_pieces_the_same_is_told(pieces: list[bytes]) -> None:
    """Every byte once, in order."""
    one, many = Gathered(Bytes()), Gathered(Bytes())
    whole = [*one.feed(b"".join(pieces), AT), *one.end(AT)]
    assert [item for piece in pieces for item in many.feed(piece, AT)] + [*many.end(AT)] == whole
    noise = b"".join(item.raw for item in whole if isinstance(item, Rejected))
    assert noise == b"".join(pieces).replace(b"\0", b"") + b"end"


def test_a_flood_is_few_items() -> None:
    """The first ones by themselves, the rest by four kilobytes."""
    decoder = Gathered(Bytes())
    items = [*decoder.feed(b"\3" * 100_000, AT), *decoder.end(AT)]
    assert len(items) == ALONE + -(-(100_000 - ALONE + 3) // MOST)
    assert all(isinstance(item, Rejected) and len(item.raw) <= MOST for item in items)
