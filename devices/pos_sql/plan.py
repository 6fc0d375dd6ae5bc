"""Which columns of which table a mapping needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from devices.mapping.model import Part, RecordMapping, Value

LINES, PAYMENTS = "lines", "payments"


class Need(NamedTuple):
    """A value that stands in one of these columns. optional: or nowhere."""

    columns: tuple[str, ...]
    optional: bool


def needs(mapping: RecordMapping) -> Mapping[str, list[Need]]:
    """By table: what a ticket is made of. A ticket's own values are those of its first line."""
    found: dict[str, list[Need]] = {LINES: [], PAYMENTS: []}
    for rule in mapping.records:
        values = [*rule.fields.values(), *([rule.at] if rule.at else [])]
        for value in values:
            _add(found, value, LINES)
        for path in (*rule.when, *rule.identity):
            found[LINES].append(Need((_column(path),), optional=False))
        for part in (rule.lines, rule.tenders):
            if part:
                _add_part(found, part, part.each or LINES)
    return found


def _add_part(found: dict[str, list[Need]], part: Part, table: str) -> None:
    for value in part.fields.values():
        _add(found, value, table)
    for path in (*part.when, *part.negative_when):
        place = LINES if path.startswith("$.") else table
        found.setdefault(place, []).append(Need((_column(path),), optional=place != LINES))


def _add(found: dict[str, list[Need]], value: Value, table: str) -> None:
    """Alternatives in another table than the value's own are taken where they are there."""
    own = tuple(column for place, column in _places(value, table) if place == table)
    for place, column in _places(value, table):
        if place != table:
            found.setdefault(place, []).append(Need((column,), optional=True))
    if own:
        found.setdefault(table, []).append(Need(own, value.optional))


def _places(value: Value, table: str) -> Iterator[tuple[str, str]]:
    for path in value.path:
        first, _, rest = path.removeprefix("$.").partition(".")
        if first in (LINES, PAYMENTS) and rest:
            yield first, _column(path)
        else:
            yield LINES if path.startswith("$.") else table, first


def _column(path: str) -> str:
    return path.rpartition(".")[2]
