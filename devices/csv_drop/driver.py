"""csv-drop: exports of a till as CSV, dropped into a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from devices.csv_drop.columns import HeaderFault, find_columns
from devices.csv_drop.options import Options
from devices.csv_drop.table import Row, Table, read_table
from devices.csv_drop.tickets import RowFault, RowReader, TicketKey, TicketRow
from devices.csv_drop.values import OrderFault, Times
from devices.driver import Context, Decoder, Driver, Item, Rejected
from devices.drop_folder import DropFolder
from devices.tills import RAW_LIMIT

MOST_BYTES = 64 * 1024 * 1024


class CsvDecoder:
    """A file's bytes in, its tickets out at the end: a row anywhere may belong to the first ticket.

    Holds the file in memory, up to 64 MiB.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._data = bytearray()
        self._too_long = False

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:  # noqa: ARG002 - nothing is complete before the end
        self._too_long = self._too_long or len(self._data) + len(data) > MOST_BYTES
        self._data += data[: RAW_LIMIT - len(self._data)] if self._too_long else data
        return ()

    def end(self, at: datetime) -> Sequence[Item]:
        data = bytes(self._data)
        self._data.clear()
        if self._too_long:
            return [_whole("it is longer than 64 MiB: let the till export in smaller files", data, at)]
        if not data.strip():
            return [_whole("it is empty", data, at)]
        try:
            return self._items(read_table(data, self._options.encoding, self._options.delimiter), at)
        except (HeaderFault, OrderFault) as error:
            return [_whole(str(error), data, at)]

    def _items(self, table: Table, at: datetime) -> Sequence[Item]:
        columns = find_columns(table.header, self._options.columns)
        times = Times(self._options.at_format, (row.cells[columns["at"]] for row in table.rows if not row.fault))
        reader = RowReader(columns, times, self._options, self._context)
        tickets: dict[TicketKey, list[TicketRow]] = {}
        first_rows: dict[int, TicketKey | Rejected] = {}
        for row in table.rows:
            try:
                understood = _understood(reader, row)
            except RowFault as fault:
                first_rows[row.number] = Rejected(f"row {row.number}: {fault}", row.raw, at)
                continue
            if understood.ticket not in tickets:
                first_rows[row.number] = understood.ticket
            tickets.setdefault(understood.ticket, []).append(understood)
        if first_rows and not tickets:
            return [_none_of(len(table.rows), first_rows)]
        return list(_in_order(reader, tickets, first_rows))


def _understood(reader: RowReader, row: Row) -> TicketRow:
    if row.fault:
        raise RowFault(row.fault)
    return reader.read(row)


def _in_order(
    reader: RowReader, tickets: dict[TicketKey, list[TicketRow]], first_rows: dict[int, TicketKey | Rejected]
) -> Iterator[Item]:
    """Tickets where their first row stood, between the rows set aside."""
    for one in first_rows.values():
        yield one if isinstance(one, Rejected) else reader.reading(tickets[one])


def _none_of(count: int, rejected: dict[int, TicketKey | Rejected]) -> Rejected:
    """One for all, or a wrong setting would fill the quarantine."""
    first = next(one for one in rejected.values() if isinstance(one, Rejected))
    return Rejected(f"none of {count} rows could be read; {first.reason}", first.raw, first.at)


def _whole(reason: str, data: bytes, at: datetime) -> Rejected:
    return Rejected(f"file set aside: {reason}", data[:RAW_LIMIT], at)


def decoder(options: Options, context: Context) -> Decoder:
    return CsvDecoder(options, context)


def device(options: Options, context: Context) -> Driver:
    return DropFolder(options, lambda _name: CsvDecoder(options, context), context)
