"""Rows of a table to tickets: rows of one number on one till and business day become one record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from devices.csv_drop.options import Options
from devices.csv_drop.table import Row
from devices.csv_drop.values import Times, number
from devices.driver import Context, Reading
from devices.tills import RAW_LIMIT, as_utc, business_day, odd, taken_back
from records import ClockQuality
from records.types import PosReturn, PosSale, SaleLine


class RowFault(ValueError):
    """The row is no line of a ticket; the text says which cell and why."""


class TicketKey(NamedTuple):
    workstation: str | None
    business_day: date
    number: str

    @property
    def source_id(self) -> str:
        return f"{self.workstation or '-'}/{self.business_day}/{self.number}"


class TicketRow(NamedTuple):
    """One row understood. `line` is numbered when the ticket is complete."""

    ticket: TicketKey
    at: datetime
    customer: str | None
    line: SaleLine
    raw: bytes


class RowReader:
    """Understands rows by the columns, times and settings of one file."""

    def __init__(self, columns: Mapping[str, int], times: Times, options: Options, context: Context) -> None:
        self._columns = columns
        self._times = times
        self._prefix = options.return_prefix
        self._context = context

    def read(self, row: Row) -> TicketRow:
        """The row as a line of its ticket; `RowFault` when it is none."""
        ticket = self._text(row, "transaction_id")
        if not ticket:
            raise RowFault("transaction_id is blank")
        at = self._at(row)
        key = TicketKey(self._text(row, "workstation"), business_day(at, self._context), ticket)
        return TicketRow(key, at, self._text(row, "customer"), self._line(row, ticket), row.raw)

    def is_return(self, ticket: str) -> bool:
        return bool(self._prefix) and ticket.startswith(self._prefix or "")

    def reading(self, rows: list[TicketRow]) -> Reading:
        """The complete ticket."""
        key = rows[0].ticket
        lines = tuple(msgspec.structs.replace(row.line, line=place) for place, row in enumerate(rows, 1))
        amounts = [line.extended_amount for line in lines if line.extended_amount is not None]
        kind = PosReturn if self.is_return(key.number) else PosSale
        data = kind(
            source_id=key.source_id,
            transaction_id=key.number,
            workstation=key.workstation,
            business_day=key.business_day,
            currency=self._context.currency,
            customer=next((row.customer for row in rows if row.customer), None),
            lines=lines,
            total=sum(amounts, Decimal(0)) if len(amounts) == len(lines) else None,
        )
        raw = b"\n".join(row.raw for row in rows[:RAW_LIMIT])[:RAW_LIMIT]
        return Reading(data, min(row.at for row in rows), ClockQuality.SOURCE, raw=raw)

    def _line(self, row: Row, ticket: str) -> SaleLine:
        quantity = self._number(row, "quantity")
        price = self._number(row, "unit_price")
        amount = self._number(row, "extended_amount")
        if quantity is None and amount is None:
            raise RowFault("neither quantity nor extended_amount has a value")
        if amount is None and quantity is not None and price is not None:
            amount = quantity * price
        returned = self.is_return(ticket)
        if returned:
            quantity, amount = taken_back(quantity), taken_back(amount)
        return SaleLine(
            line=0,
            kind="return" if returned else "sale",
            item_id=self._text(row, "item_id"),
            name=self._text(row, "name"),
            quantity=quantity,
            unit_price=price,
            extended_amount=amount,
            flags=odd(quantity, price, amount, returned=returned),
        )

    def _at(self, row: Row) -> datetime:
        told = self._text(row, "at")
        if not told:
            raise RowFault("at is blank")
        try:
            return as_utc(self._times.read(told), self._context)
        except ValueError as error:
            raise RowFault(f"at {_why(error)}") from error

    def _number(self, row: Row, field: str) -> Decimal | None:
        try:
            return number(self._text(row, field) or "")
        except ValueError as error:
            raise RowFault(f"{field} {error}") from error

    def _text(self, row: Row, field: str) -> str | None:
        place = self._columns.get(field)
        return None if place is None else row.cells[place].strip() or None


def _why(error: ValueError) -> str:
    """Our own words, or others' that may quote the cell."""
    text = str(error)
    return text if text.startswith(("is ", "its ")) else "is not a time of that format"
