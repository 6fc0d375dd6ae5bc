"""Recorded captures in a driver's `cases/`, each beside what it decodes to.

`<model>.json`: `settings` of the device, `context` (timezone, business_day_start, currency), `at` of the arrival, and
`items`: records as printed, or `{"rejected": reason, "raw": text}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, time
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from devices.driver import Context, Decoder, Item, Reading
from devices.options import DropOptions, Options, PollOptions, SerialOptions, VideoOptions
from devices.registry import driver
from devices.tcp_options import TcpOptions
from records import Record, to_json

DEVICES = Path(__file__).resolve().parents[2] / "devices"


def drop_cases(folder: str) -> list[Path]:
    """The captures of a driver's folder."""
    return sorted(path for path in (DEVICES / folder / "cases").iterdir() if path.suffix != ".json")


def decoder_of(name: str, context: Context, **settings: Any) -> Decoder:
    package = driver(name)
    place: dict[type[Options], dict[str, str]] = {
        DropOptions: {"path": "/drop"},
        SerialOptions: {"port": "/dev/ttyS9"},
        PollOptions: {"url": "http://case"},
        VideoOptions: {"source": "case"},
        TcpOptions: {"host": "case"},
    }
    way = next((told for kind, told in place.items() if issubclass(package.options, kind)), {})
    told = {"id": "case", "driver": name, **way, **settings}
    return package.decoder(package.options.model_validate(told), context)


def pieces_of(whole: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The bytes, cut at these places; those beyond the end cut nothing off."""
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    return [whole[start:end] for start, end in pairwise(places)]


def fed(decoder: Decoder, pieces: Iterable[bytes], at: datetime) -> list[Item]:
    return [item for piece in pieces for item in decoder.feed(piece, at)] + list(decoder.end(at))


def printed(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [_printed(item) for item in items]


def _printed(item: Item) -> dict[str, Any]:
    if isinstance(item, Reading):
        shown: dict[str, Any] = json.loads(to_json(Record("case", item.at, item.data)))
        return {"type": shown["type"], "at": shown["at"], "data": shown["data"]}
    return {"rejected": item.reason, "raw": item.raw.decode("utf-8", "backslashreplace")}


def decoded(name: str, capture: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the capture decodes to, and what it should."""
    told = json.loads(capture.with_suffix(".json").read_text(encoding="utf-8"))
    context = Context(
        timezone=ZoneInfo(told["context"]["timezone"]),
        business_day_start=time.fromisoformat(told["context"].get("business_day_start", "00:00")),
        currency=told["context"].get("currency"),
    )
    items = fed(
        decoder_of(name, context, **told["settings"]), [capture.read_bytes()], datetime.fromisoformat(told["at"])
    )
    return printed(items), told["items"]
