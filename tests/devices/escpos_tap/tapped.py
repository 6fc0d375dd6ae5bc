"""What a tap makes of bytes, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devices.driver import Context, Item, Reading, Rejected
from records.types import PosReceipt
from tests.devices.cases import decoder_of, fed

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


def tapped(*pieces: bytes, **settings: Any) -> list[Item]:
    """All that comes of the pieces, to the end of the input."""
    return fed(decoder_of("escpos-tap", Context(), **settings), pieces, AT)


def receipts(items: Iterable[Item]) -> list[PosReceipt]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, PosReceipt)]


def receipt(*pieces: bytes, **settings: Any) -> PosReceipt:
    """The only thing that the pieces are."""
    (item,) = tapped(*pieces, **settings)
    assert isinstance(item, Reading), item
    assert isinstance(item.data, PosReceipt)
    return item.data


def printed(*pieces: bytes, **settings: Any) -> str:
    return receipt(*pieces, **settings).text


def rejected(*pieces: bytes, **settings: Any) -> Rejected:
    (item,) = tapped(*pieces, **settings)
    assert isinstance(item, Rejected), item
    return item


def sample(shared: Path | None, name: str) -> bytes:
    assert shared
    return (shared / "samples" / "pos_escpos" / name).read_bytes()
