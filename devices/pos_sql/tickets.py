"""Rows to tickets, and what tells one row from another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Key = tuple[str, ...]
Position = Any  # an int, or of one column always a text or always a datetime: comparable among themselves


class Ticket(NamedTuple):
    """Rows of one ticket, as far as they are there. first, last: positions of its rows."""

    key: Key
    first: Position
    last: Position
    lines: tuple[Row, ...]
    payments: tuple[Row, ...]

    @property
    def id(self) -> tuple[Key, Position]:
        """Tells it from another ticket that has the same number."""
        return self.key, self.first

    @property
    def document(self) -> dict[str, Any]:
        return {**self.lines[0], "lines": list(self.lines), "payments": list(self.payments)}

    @property
    def raw(self) -> bytes:
        return printed({"lines": list(self.lines), "payments": list(self.payments)})

    @property
    def marks(self) -> tuple[str, ...]:
        return tuple(map(mark, self.lines))

    @property
    def look(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What changes when anything of it changes."""
        return self.marks, tuple(map(mark, self.payments))


def key_of(row: Row, columns: Sequence[str]) -> Key:
    return tuple(trimmed(row.get(column)) for column in columns)


def trimmed(value: object) -> str:
    return "" if value is None else str(value).strip()


def mark(row: Row) -> str:
    """32 bits that tell a row from the others of its ticket."""
    return blake2b(printed(row), digest_size=4).hexdigest()


def printed(row: Row) -> bytes:
    return json.dumps(row, default=_text, ensure_ascii=False).encode("utf-8", "surrogateescape")


def _text(value: object) -> object:
    return str(value.normalize()) if isinstance(value, Decimal) else str(value)


def grouped(rows: Iterable[Row], columns: Sequence[str]) -> dict[Key, list[Row]]:
    """By ticket, in the order of their first rows."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row, columns), []).append(row)
    return found


def payments_of(tickets: Iterable[Key], payments: Mapping[Key, list[Row]], shared: int) -> dict[Key, tuple[Row, ...]]:
    """Payments by ticket. shared: how many of a ticket's columns the payments have.

    Where they have fewer, and two tickets are the same in those, nobody can tell whose the payments are.
    """
    owners: dict[Key, list[Key]] = {}
    for key in tickets:
        owners.setdefault(key[:shared], []).append(key)
    return {keys[0]: tuple(payments.get(part, ())) for part, keys in owners.items() if len(keys) == 1}
