"""What the drivers of tills share: the till's clock, its business day, and how much raw input is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from devices.driver import Context

RAW_LIMIT = 4096
"""Bytes of the input kept with what is set aside."""

OLDEST, NEWEST = 1970, 9998


def as_utc(told: datetime, context: Context) -> datetime:
    """The instant that a till told; without an offset it is the till's wall clock. `ValueError` outside 1970-9998."""
    if not OLDEST <= told.year <= NEWEST:
        raise ValueError("its year is no year of a till")
    return (told if told.tzinfo else told.replace(tzinfo=context.timezone)).astimezone(UTC)


def business_day(at: datetime, context: Context) -> date:
    """The day to which the till's books count that instant."""
    start = context.business_day_start
    return (at.astimezone(context.timezone) - timedelta(hours=start.hour, minutes=start.minute)).date()


def taken_back(value: Decimal | None) -> Decimal | None:
    """Negative, whichever sign the till gave to what came back."""
    return -abs(value) if value else value


def odd(quantity: Decimal | None, price: Decimal | None, amount: Decimal | None, *, returned: bool) -> tuple[str, ...]:
    """The flags of a line that is kept but worth a look. A negative quantity on a return is none."""
    found = {
        "zero-quantity": quantity == 0,
        "negative-quantity": not returned and quantity is not None and quantity < 0,
        "zero-price": price == 0 or (price is None and amount == 0),
        "negative-price": price is not None and price < 0,
    }
    return tuple(flag for flag, holds in found.items() if holds)
