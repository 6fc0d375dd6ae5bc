"""What makes a transaction whole: numbered lines, totals, returns, and the source's own identity of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from devices.driver import Context
from devices.tills import business_day, odd, taken_back
from records.types import PosReturn, PosSale, SaleLine, Tender, Transaction


def sale_line(told: dict[str, Any], *, negative: bool, returned: bool) -> SaleLine:
    """A line of what a document told of it. negative: its row says so; returned: the whole transaction is a return.

    A line without amount has quantity × price, exactly.
    """
    kind = told.get("kind") or ("return" if returned or negative else "sale")
    quantity, price, amount = told.get("quantity"), told.get("unit_price"), told.get("extended_amount")
    if amount is None and quantity is not None and price is not None:
        amount = quantity * price
    back = negative or kind == "return"
    if back:
        quantity, amount = taken_back(quantity), taken_back(amount)
    fields = {**told, "kind": kind, "quantity": quantity, "extended_amount": amount}
    return SaleLine(line=0, **fields, flags=odd(quantity, price, amount, returned=back))


def tender(told: dict[str, Any], *, negative: bool) -> Tender:
    amount = told.get("amount")
    told = {**told, "kind": str(told["kind"]).lower()}
    return Tender(**{**told, "amount": taken_back(amount) if negative else amount})


def transaction(
    kind: type[Transaction],
    told: dict[str, Any],
    parts: tuple[list[SaleLine], list[Tender]],
    at: datetime,
    context: Context,
) -> Transaction:
    """The whole of it. A sale whose lines are all returns is a return; what a return's customer owes is negative."""
    lines = [msgspec.structs.replace(line, line=place) for place, line in enumerate(parts[0], 1)]
    if kind is PosSale and lines and all(line.kind == "return" for line in lines):
        kind = PosReturn
    total, tenders = told.get("total"), parts[1]
    if total is None:
        total = _sum(lines)
    if kind is PosReturn:
        total, tenders = taken_back(total), _paid_back(tenders)
    fields = {
        **told,
        "business_day": told.get("business_day") or business_day(at, context),
        "currency": told.get("currency") or context.currency,
        "lines": tuple(lines),
        "tenders": tuple(tenders),
        "total": total,
    }
    day, number, place = fields["business_day"], fields["transaction_id"], fields.get("workstation") or "-"
    return kind(**{**fields, "source_id": fields.get("source_id") or f"{place}/{day}/{number}"})


def _sum(lines: Sequence[SaleLine]) -> Decimal | None:
    amounts = [line.extended_amount for line in lines if line.kind != "void" and line.extended_amount is not None]
    known = all(line.extended_amount is not None for line in lines if line.kind != "void")
    return sum(amounts, Decimal(0)) if lines and known else None


def _paid_back(tenders: list[Tender]) -> list[Tender]:
    """What goes back to the customer is negative: turned round where the source told it as if it came in."""
    if sum(tender.amount or 0 for tender in tenders) <= 0:
        return tenders
    return [
        tender if tender.amount is None else msgspec.structs.replace(tender, amount=-tender.amount)
        for tender in tenders
    ]
