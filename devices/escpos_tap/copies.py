"""Which receipt is a copy of which: the same one printed again within a while is no new sale.

Two receipts are the same when number and total that the template read are, or else when their text is, lines that say
"copy" left aside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

STATE = "receipts"
_KEPT = 16  # receipts that are remembered


class Seen(NamedTuple):
    """source_id: of the first print; at: of the last; copies: so far."""

    source_id: str
    at: datetime
    copies: int


def digest(text: str) -> str:
    """Tells texts apart, and says nothing of them."""
    return sha256(text.encode()).hexdigest()[:16]


class Memory:
    """The last receipts, by what makes them the same; kept over restarts in the state of the readings."""

    def __init__(self, state: Mapping[str, bytes], window_s: float) -> None:
        self._window = timedelta(seconds=window_s)
        self._seen: dict[str, Seen] = {}
        for key, source_id, at, copies in json.loads(state.get(STATE, b"[]")):
            self._seen[key] = Seen(source_id, datetime.fromisoformat(at), copies)

    def copies(self, key: str, source_id: str, at: datetime, more: int) -> Seen:
        """What a receipt printed `more` times beside the first is: the copies of an earlier one, or new."""
        known = self._seen.pop(key, None)
        if known and abs(at - known.at) <= self._window:
            seen = Seen(known.source_id, at, known.copies + 1 + more)
        else:
            seen = Seen(source_id, at, more)
        self._seen[key] = seen
        while len(self._seen) > _KEPT:
            del self._seen[next(iter(self._seen))]
        return seen

    def within(self, earlier: datetime, later: datetime) -> bool:
        return bool(self._window) and later - earlier <= self._window

    def state(self) -> dict[str, bytes]:
        told = [(key, seen.source_id, seen.at.isoformat(), seen.copies) for key, seen in self._seen.items()]
        return {STATE: json.dumps(told).encode()}
