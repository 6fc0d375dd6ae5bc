"""Frames of a bus, and what is read of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from devices.driver import Context, Item, Reading, Rejected
from devices.modbus.frames import question
from devices.modbus.simulator import frame
from records.types import TempAmbient
from tests.devices.cases import decoder_of, fed

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
ASK = question(1, 3, 0, 2)


def words(*numbers: int) -> bytes:
    return b"".join((number & 0xFFFF).to_bytes(2, "big") for number in numbers)


def answer(slave: int, data: bytes, function: int = 3) -> bytes:
    return frame(bytes((slave, function, len(data))) + data)


def read(data: bytes, map: str | dict[str, Any] = "renke", **settings: Any) -> list[Item]:
    return fed(decoder_of("modbus", Context(), map=map, **settings), [data], AT)


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


def celsius(items: list[Item]) -> list[float | None]:
    return [item.data.celsius for item in items if isinstance(item, Reading) and isinstance(item.data, TempAmbient)]
