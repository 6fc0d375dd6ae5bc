"""Amounts as receipts print them, exactly."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

CURRENCY = r"(?:[¥$€£₩元円]|RMB|CNY|HK\$|NT\$|USD|EUR|GBP|JPY)"
MONEY = rf"[-(+]?\s?{CURRENCY}?\s?[-+]?[0-9](?:[0-9]|[.,' ](?=[0-9]{{2,3}}(?![0-9])))*-?\)?\s?{CURRENCY}?"
QUANTITY = r"-?[0-9]+(?:[.,][0-9]{1,3})?"

_NUMBER = re.compile(r"[0-9][0-9.,' ]*")
_LONGEST = 18


class NoAmount(ValueError):
    """The text is no amount."""


def amount(text: str, decimal: str) -> Decimal:
    """`¥1,234.50`, `12.00-`, `(3.20)`, or with `decimal=","` `1.234,50 €`; `NoAmount` for anything else."""
    found = _NUMBER.search(text)
    if not found or len(found[0]) > _LONGEST:
        raise NoAmount(text)
    group = "," if decimal == "." else "."
    plain = found[0].strip(" .,'").replace(" ", "").replace("'", "").replace(group, "").replace(decimal, ".")
    before, after = text[: found.start()], text[found.end() :]
    even = re.search("[¥円]", text) and "." not in plain  # a yen amount is closed with a dash
    negative = "-" in before or "(" in before or ("-" in after and not even)
    try:
        value = Decimal(plain)
    except InvalidOperation as error:
        raise NoAmount(text) from error
    return -value if negative else value
