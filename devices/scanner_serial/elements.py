"""What the data in a scanned code says, whoever reads it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Misread(ValueError):
    """The code cannot be what it says it is; the text says why and never holds the code."""


class Elements(NamedTuple):
    """GS1 data: values by application identifier, and what of them a record has a field for."""

    values: dict[str, str]
    gtin: str | None
    weight_kg: Decimal | None
    price: Decimal | None


NOTHING = Elements({}, None, None, None)
