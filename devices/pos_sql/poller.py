"""Which tickets are new, whole, or late: what a polled till's rows come to. Knows no database and reads no clock.

    rows ──▶ ticket ──its payments add up, or nothing changed for settle_s──▶ given, once
                └─ else pending: looked at again at every round

Invariants:
1. A ticket is given once. Its state `t:<hash of its key>` → `<position>|<marks of its rows>` commits with its records,
   and is forgotten when it lies more than the overlap behind `scan`.
2. `scan`, from which a restart reads on (less the overlap), never passes a ticket that is still pending.
3. A row that turns up for a ticket that was given is set aside with its bytes: it changes a sale that HQ has.
4. Rows of one key that lie further apart than the overlap are two tickets: tills use numbers again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec

from devices.driver import Context, Item, Reading, Rejected
from devices.mapping.engine import Mapper
from devices.mapping.model import RecordMapping
from devices.pos_sql.positions import back, decode, encode, within
from devices.pos_sql.tickets import Key, Position, Row, Ticket, mark, printed
from records.types import Transaction

SCAN = "scan"
_TICKET = "t:"
State = dict[str, bytes | None]


class _Given(NamedTuple):
    """A ticket that was taken. marks: of its rows."""

    position: Position
    marks: tuple[str, ...]

    def encode(self) -> bytes:
        return encode(self.position) + b"|" + ",".join(self.marks).encode()

    @classmethod
    def decode(cls, state: bytes) -> tuple[_Given, ...]:
        """Those of one number, a line each; what is none of ours is left out."""
        parts = (line.rpartition(b"|") for line in state.split(b"\n"))
        told = ((decode(place), marks.decode("ascii", "replace")) for place, _, marks in parts)
        return tuple(cls(position, tuple(marks.split(","))) for position, marks in told if position is not None)


class _Pending(NamedTuple):
    """A ticket that may not be whole. since: monotonic seconds at which it was first seen as it is."""

    ticket: Ticket
    since: float


class Poller:
    """Fed with tickets as they are seen, gives what is new."""

    def __init__(self, mapping: RecordMapping, context: Context, overlap: int, settle_s: float) -> None:
        self._mapper = Mapper(mapping, context)
        self._overlap = overlap
        self._settle_s = settle_s
        told = {name: _Given.decode(state) for name, state in context.state.items() if name.startswith(_TICKET)}
        self._given = {name: given for name, given in told.items() if given}
        self._pending: dict[tuple[Key, Position], _Pending] = {}
        self.scan = decode(context.state[SCAN]) if SCAN in context.state else None

    @property
    def begin(self) -> Position | None:
        """Where a round begins to read; None for the very beginning."""
        return None if self.scan is None else back(self.scan, self._overlap)

    @property
    def pending(self) -> Sequence[Ticket]:
        return [pending.ticket for pending in self._pending.values()]

    def unknown(self, key: Key, place: Position, row: Row) -> bool:
        """Whether a row is none of those that were given."""
        given = self._known(key, place)
        return given is None or mark(row) not in given.marks

    def take(self, tickets: Iterable[Ticket], at: datetime, now: float) -> list[Item]:
        """What is new in tickets as they stand. at: aware UTC; now: monotonic seconds."""
        items: list[Item] = []
        for ticket in tickets:
            given = self._known(ticket.key, ticket.last)
            items += self._late(ticket, given, at) if given else self._new(ticket, at, now)
        return items

    def gone(self, tickets: Iterable[Ticket]) -> None:
        """Pending tickets whose rows are no more: the till took them back."""
        for ticket in tickets:
            self._pending.pop(ticket.id, None)

    def advance(self, items: list[Item], upto: Position | None) -> list[Item]:
        """The same, the last of which also carries how far the table was read."""
        if upto is not None and (self.scan is None or upto > self.scan):
            self.scan = upto
        if self.scan is None or not items:
            return items
        behind = [pending.ticket.first for pending in self._pending.values()]
        safe = min([self.scan, *behind])
        state: State = {SCAN: encode(safe), **self._forgotten(back(safe, self._overlap)), **items[-1].state}
        return [*items[:-1], msgspec.structs.replace(items[-1], state=state)]

    def _new(self, ticket: Ticket, at: datetime, now: float) -> list[Item]:
        items = self._mapper.items(ticket.document, at, ticket.raw)
        before = self._pending.get(ticket.id)
        since = before.since if before and before.ticket.look == ticket.look else now
        if not _adds_up(items) and now - since < self._settle_s:
            self._pending[ticket.id] = _Pending(ticket, since)
            return []
        self._pending.pop(ticket.id, None)
        return self._remembered(items, ticket) if items else []

    def _late(self, ticket: Ticket, given: _Given, at: datetime) -> list[Item]:
        left = Counter(given.marks)
        late: list[Row] = []
        for row in ticket.lines:
            known = left[mark(row)] > 0
            left[mark(row)] -= 1
            late += [] if known else [row]
        reason = "a row came, or changed, after its ticket was taken: the sale that headquarters has lacks it"
        items: list[Item] = [Rejected(reason, self._mapper.kept(printed(row)), at) for row in late]
        return self._remembered(items, ticket) if items else []

    def _remembered(self, items: list[Item], ticket: Ticket) -> list[Item]:
        name = _name(ticket.key)
        others = [given for given in self._given.get(name, ()) if not self._same(given, ticket.last)]
        self._given[name] = (*others, _Given(ticket.last, ticket.marks))
        state: Mapping[str, bytes | None] = {name: b"\n".join(given.encode() for given in self._given[name])}
        return [msgspec.structs.replace(item, state=state) for item in items]

    def _known(self, key: Key, place: Position) -> _Given | None:
        return next((given for given in self._given.get(_name(key), ()) if self._same(given, place)), None)

    def _same(self, given: _Given, place: Position) -> bool:
        return within(given.position, place, self._overlap)

    def _forgotten(self, before: Position) -> State:
        old = [name for name, given in self._given.items() if all(one.position < before for one in given)]
        for name in old:
            del self._given[name]
        return dict.fromkeys(old)


def _name(key: Key) -> str:
    """Hashed, since state is kept in clear."""
    return _TICKET + sha256("\0".join(key).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _adds_up(items: Sequence[Item]) -> bool:
    """Whether it is one transaction whose payments make its total."""
    if len(items) != 1 or not isinstance(items[0], Reading) or not isinstance(items[0].data, Transaction):
        return False
    data = items[0].data
    paid = [tender.amount for tender in data.tenders]
    return bool(paid) and None not in paid and sum(amount or 0 for amount in paid) == data.total
