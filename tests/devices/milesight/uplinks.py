"""Uplinks to read, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from devices.driver import Context, Item, Reading
from devices.milesight.simulator import uplink
from records.types import DoorCount, TempAmbient
from tests.devices.cases import decoder_of

NINE = datetime(2026, 11, 21, 9, tzinfo=UTC)
AT = NINE + timedelta(hours=20)
MINUTE = timedelta(minutes=1)


def period(in_: int, out: int) -> bytes:
    return b"\x05\xcc" + in_.to_bytes(2, "little") + out.to_bytes(2, "little")


def short_total(in_: int, out: int) -> bytes:
    return b"\x04\xcc" + in_.to_bytes(2, "little") + out.to_bytes(2, "little")


def frame(number: int, data: bytes, minute: float | None = None) -> bytes:
    """As a gateway forwards it, by default each minute one."""
    return uplink(number, NINE + (number if minute is None else minute) * MINUTE, data)


def read(*bodies: bytes, context: Context | None = None, **settings: Any) -> list[Item]:
    """Each body a push of its own."""
    decoder = decoder_of("milesight", context or Context(), **settings)
    return [item for body in bodies for item in [*decoder.feed(body, AT), *decoder.end(AT)]]


def data(items: list[Item]) -> list[DoorCount]:
    return [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, DoorCount)]


def counts(items: list[Item]) -> list[tuple[int, int]]:
    return [(count.in_, count.out) for count in data(items)]


def ambient(items: list[Item]) -> list[tuple[str | None, float | None, float | None]]:
    found = [item.data for item in items if isinstance(item, Reading)]
    return [(one.probe, one.celsius, one.humidity_pct) for one in found if isinstance(one, TempAmbient)]


def celsius(tenths: int) -> bytes:
    return b"\x03\x67" + tenths.to_bytes(2, "little", signed=True)
