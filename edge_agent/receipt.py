"""`edge-agent receipt`: captured prints beside what a template takes each line for, and the fields that come of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from devices.driver import Context, Reading
from devices.escpos_tap.template import Read, Template, TemplateError, load, read
from devices.registry import driver
from edge_agent.cleaning.text import mask
from edge_agent.exits import Exit
from edge_agent.replay import chunks, options_from
from records.types import PosReceipt

_DRIVER = "escpos-tap"


def main(files: Sequence[Path], template_name: str, settings: Mapping[str, str]) -> int:
    """Prints every receipt of `files`; 1 where a file cannot be read, 2 for a template that cannot be used."""
    try:
        template = load(template_name)
    except TemplateError as error:
        print(error, file=sys.stderr)
        return Exit.USAGE
    for file in files:
        try:
            texts = list(_texts(file, settings))
        except OSError as error:
            print(f"{file}: {error.strerror}", file=sys.stderr)
            return Exit.FAILED
        for number, text in enumerate(texts, 1):
            print(f"== {file}, receipt {number} of {len(texts)}")
            _show(template, text)
    return Exit.DONE


def _texts(file: Path, settings: Mapping[str, str]) -> Iterator[str]:
    package = driver(_DRIVER)
    decoder = package.decoder(options_from(package, settings), Context())
    at = datetime.now(UTC)
    items = [item for chunk in chunks(file, as_hex=False) for item in decoder.feed(chunk, at)]
    for item in [*items, *decoder.end(at)]:
        if isinstance(item, Reading) and isinstance(item.data, PosReceipt):
            yield mask(item.data.text)


def _show(template: Template, text: str) -> None:
    found = read(template, text)
    width = max((len(mark.taken_for) for mark in found.marks), default=0)
    for mark in found.marks:
        print(f"{mark.taken_for:<{width}} | {mark.line}".rstrip())
    print(json.dumps(found.fields, ensure_ascii=False, indent=2))
    if (told := _sums(found)) is not None:
        print(told)


def _sums(found: Read) -> str | None:
    """Whether the items come to the total: where they do not, a line was missed or misread, or there was a discount."""
    lines, total = found.fields.get("lines"), found.fields.get("total")
    if not isinstance(lines, list) or not isinstance(total, str):
        return None
    amounts = [Decimal(line["extended_amount"]) for line in lines if "extended_amount" in line]
    total_of_items = sum(amounts, Decimal(0))
    verdict = "the total" if total_of_items == Decimal(total) else f"not the total {total}"
    return f"{len(lines)} items come to {total_of_items}, {verdict}"
