"""An advertisement, and what a decoder makes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

_NOT_HEX = re.compile(r"[^0-9a-fA-F]")


class Advert(NamedTuple):
    """address: in lower-case hex digits, "" where the gateway hides it; maker: the manufacturer's data, its company
    number first; services: data by 16-bit number, 0 where the gateway leaves it out."""

    address: str
    name: str
    maker: bytes
    services: Mapping[int, bytes]


class Said(NamedTuple):
    """What one probe of a tag measured; None is not said. `probe`: its number where a tag has several."""

    celsius: float | None
    humidity: float | None = None
    probe: str = ""


class Tag(NamedTuple):
    """An advertisement of a thermometer. `address`: as the data itself names it; `fault`: why it says nothing."""

    model: str
    said: tuple[Said, ...] = ()
    address: str = ""
    fault: str = ""


def number(
    data: bytes,
    at: int,
    scale: float = 1,
    *,
    size: int = 2,
    order: Literal["little", "big"] = "little",
    signed: bool = True,
) -> float:
    """The number at that place of the data."""
    return round(int.from_bytes(data[at : at + size], order, signed=signed) * scale, 4)


def advert_of(told: Mapping[str, object]) -> Advert:
    """What a gateway says of an advertisement, in the words of Theengs Gateway and OpenMQTTGateway."""
    service = _bytes(told.get("servicedata"))
    return Advert(
        _NOT_HEX.sub("", _text(told.get("id") or told.get("mac"))).lower(),
        _text(told.get("name")),
        _bytes(told.get("manufacturerdata")),
        {_uuid(told.get("servicedatauuid")): service} if service else {},
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _bytes(value: object) -> bytes:
    """Some gateways cut a digit off, or cross out the address within."""
    text = _NOT_HEX.sub("0", _text(value))
    return bytes.fromhex(text[: len(text) & ~1])


def _uuid(value: object) -> int:
    text = _text(value).lower().removeprefix("0x")
    text = text[4:8] if len(text) == 36 else text  # 0000181a-0000-1000-8000-00805f9b34fb
    try:
        return int(text, 16) if len(text) == 4 else 0
    except ValueError:
        return 0
