"""pos-sql: sales out of a till's database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from devices.driver import Context, Decoder, DeviceOffline, Driver, Item, Rejected, Taken
from devices.mapping.alike import Alike
from devices.mapping.documents import Document, Found, JsonDocuments
from devices.mapping.engine import Mapper
from devices.mapping.text import TextReader
from devices.pos_sql.options import Options
from devices.pos_sql.plan import LINES, PAYMENTS, needs
from devices.pos_sql.poller import Poller
from devices.pos_sql.positions import back, no_later, within
from devices.pos_sql.tickets import Key, Position, Row, Ticket, grouped, key_of, payments_of

if TYPE_CHECKING:
    from devices.pos_sql.database import Database, Look

MOST_PENDING = 5000


class TillDatabase:
    """A till's database, looked at every `poll_s`. The database itself opens with `open`: SQLAlchemy is an extra."""

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._zone = context.timezone
        self._poller = Poller(options.record_mapping, context, options.overlap, options.settle_s)
        self._database: Database | None = None
        self._after: Position | None = None
        self._round_begins = True
        self._due = monotonic()
        self._closed = Event()

    def open(self) -> None:
        """`DeviceOffline` when the database, a table or a column that is needed is not there."""
        self.close()
        self._closed.clear()
        try:
            from devices.pos_sql.database import Database
        except ModuleNotFoundError:
            raise DeviceOffline("SQLAlchemy is not installed: install store-edge[pos-sql]") from None
        chosen = self._options
        try:
            address = chosen.url_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise DeviceOffline(f"{chosen.url_file} cannot be read: it must hold the database's address") from None
        self._database = Database(address, chosen.where, needs(chosen.record_mapping), chosen.timeout_s)
        self._round_begins, self._due = True, monotonic()

    def read(self, timeout_s: float) -> Taken:
        """The tickets of one chunk of rows, once a look is due; nothing when it is not due within the time."""
        if self._database is None:
            raise DeviceOffline("the database is not open")
        if self._closed.wait(min(timeout_s, max(0.0, self._due - monotonic()))) or monotonic() < self._due:
            return Taken()
        with self._database.look() as look:
            items = self._items(self._database, look)
        return Taken(items, self._at_rest) if items else Taken()

    def close(self) -> None:
        self._closed.set()
        database, self._database = self._database, None
        if database:
            database.close()

    def _at_rest(self) -> None:
        """Nothing is owed to the till; that the agent waits for the disk keeps old sales from piling up in memory."""

    def _items(self, database: Database, look: Look) -> list[Item]:
        pending: Sequence[Ticket] = ()
        if self._round_begins:
            self._after, pending = self._poller.begin, self._poller.pending
        upto, more = look.upto(self._after, self._options.chunk_rows)
        rows = look.rows(self._after, upto) if upto is not None else []
        tickets = self._tickets(database, look, rows, pending)
        seen = {ticket.id for ticket in tickets}
        self._poller.gone(ticket for ticket in pending if ticket.id not in seen)
        items = self._poller.take(tickets, datetime.now(UTC), monotonic())
        self._after = self._after if upto is None else upto
        self._round_begins = not more or len(self._poller.pending) >= MOST_PENDING
        self._due = monotonic() + (self._options.poll_s if self._round_begins else 0)
        reached = None if upto is None else no_later(upto, datetime.now(self._zone))
        return self._poller.advance(items, reached)

    def _tickets(self, database: Database, look: Look, rows: Sequence[Row], pending: Sequence[Ticket]) -> list[Ticket]:
        """Every ticket that has a new row, or waits, with all of its rows."""
        columns = database.ticket
        chosen = [row for row in rows if self._is_new(row, columns, look)]
        chosen += [ticket.lines[0] for ticket in pending]
        if not chosen:
            return []
        places: dict[Key, list[Position]] = {}
        for row in chosen:
            places.setdefault(key_of(row, columns), []).append(look.position_of(row))
        low, high = min(map(min, places.values())), max(map(max, places.values()))
        overlap = self._options.overlap
        lines = grouped(look.lines(chosen, back(low, overlap), back(high, -overlap)), columns)
        paid_ticket = database.paid_ticket
        paid = payments_of(lines, grouped(look.payments(chosen), paid_ticket), len(paid_ticket))
        return [
            ticket
            for key, wanted in places.items()
            for ticket in _apart(key, lines.get(key, ()), paid.get(key, ()), look, overlap)
            if any(ticket.first <= place <= ticket.last for place in wanted)
        ]

    def _is_new(self, row: Row, columns: Sequence[str], look: Look) -> bool:
        return self._poller.unknown(key_of(row, columns), look.position_of(row), row)


def _apart(key: Key, rows: Sequence[Row], payments: tuple[Row, ...], look: Look, overlap: int) -> Iterator[Ticket]:
    """The tickets of one number, whose rows are in order of their positions."""
    near: list[tuple[Position, Row]] = []
    for row in rows:
        place = look.position_of(row)
        if near and not within(near[-1][0], place, overlap):
            yield _ticket(key, near, payments)
            near = []
        near.append((place, row))
    if near:
        yield _ticket(key, near, payments)


def _ticket(key: Key, near: Sequence[tuple[Position, Row]], payments: tuple[Row, ...]) -> Ticket:
    return Ticket(key, near[0][0], near[-1][0], tuple(row for _, row in near), payments)


class RowDecoder:
    """Rows that were exported as JSON objects: lines, and payments that name their `table`, or whole documents with
    `lines` and `payments`. Tickets come at the end, each where its first row stood.
    """

    def __init__(self, options: Options, context: Context) -> None:
        tables = options.where
        self._mapper = Mapper(options.record_mapping, context)
        self._columns = tuple(name.rstrip("?") for name in tables.lines.ticket)
        self._paid_columns = tuple(name.rstrip("?") for name in tables.payments.ticket) if tables.payments else ()
        self._paid_table = tables.payments.table if tables.payments else ""
        self._begin_anew()

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._documents.feed(self._text.feed(data)), at)

    def end(self, at: datetime) -> Sequence[Item]:
        items = self._items(self._documents.feed(self._text.end()) + self._documents.end(), at)
        lines = grouped(self._lines, self._columns)
        paid = payments_of(lines, grouped(self._paid, self._paid_columns), len(self._paid_columns))
        for key, rows in lines.items():
            ticket = Ticket(key, 0, 0, tuple(rows), paid.get(key, ()))
            items += self._alike.told(self._mapper.items(ticket.document, at, ticket.raw))
        items += self._alike.rest(at)
        self._begin_anew()
        return items

    def _begin_anew(self) -> None:
        self._text, self._documents, self._alike = TextReader(None), JsonDocuments(), Alike()
        self._lines: list[Row] = []
        self._paid: list[Row] = []

    def _items(self, found: Sequence[Found], at: datetime) -> list[Item]:
        items: list[Item] = []
        for one in found:
            if not isinstance(one, Document):
                items.append(Rejected(one.reason, self._mapper.kept(one.raw), at))
            elif isinstance(one.values.get(LINES), list):
                items += self._mapper.items({PAYMENTS: [], **one.values}, at, one.raw)
            else:
                self._keep(one.values)
        return self._alike.told(items)

    def _keep(self, row: Mapping[str, object]) -> None:
        (self._paid if row.get("table") == self._paid_table else self._lines).append(row)


def decoder(options: Options, context: Context) -> Decoder:
    return RowDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    return TillDatabase(options, context)
