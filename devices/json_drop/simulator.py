"""Exports of a till as JSON: now an array, now one object a line, under the names of the profile `plain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from devices.goods import Sold, Ticket, tickets
from devices.simulator import Message


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """One file for every `step`, without end; a ticket's number is never used twice, whenever a run starts."""
    run, number = f"{at:%y%m%d%H%M%S}", 1
    while True:
        part = [_document(ticket, run) for ticket in tickets(rng, at, step, number)]
        number += len(part)
        lines = rng.random() < 0.5
        told = [json.dumps(document, ensure_ascii=False) for document in part]
        body = "".join(f"{line}\n" for line in told) if lines else "[" + ",\n".join(told) + "]"
        yield Message("drop", body.encode(), f"orders-{run}-{number:06}.json{'l' if lines else ''}", "application/json")
        at += step


def _document(ticket: Ticket, run: str) -> dict[str, Any]:
    document = {
        "type": "return" if ticket.returned else "sale",
        "transaction_id": f"{run}{ticket.number:06}",
        "at": ticket.at.isoformat(),
        "workstation": f"{ticket.till:02}",
        "lines": [_line(sold) for sold in ticket.sold],
        "tenders": [{"kind": "cash", "amount": str(ticket.total)}],
        "total": str(ticket.total),
    }
    return {**document, "customer": ticket.member} if ticket.member else document


def _line(sold: Sold) -> dict[str, Any]:
    good = sold.good
    told: dict[str, str | Decimal] = {"item_id": good.item_id, "gtin": good.gtin, "name": good.name, "unit": good.unit}
    money = {"quantity": sold.quantity, "unit_price": good.price, "extended_amount": sold.amount}
    return told | {name: str(value) for name, value in money.items()}
