"""Documents and mappings, and what they make."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from devices.driver import Context, Item, Reading
from devices.mapping.engine import Mapper
from devices.mapping.model import RecordMapping
from records.types import Transaction

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
SHANGHAI = Context(timezone=ZoneInfo("Asia/Shanghai"), currency="CNY")
SALE: dict[str, Any] = {
    "type": "pos.sale",
    "at": "at",
    "fields": {"transaction_id": "id"},
    "lines": {
        "each": "lines",
        "negative_when": {"way": "B"},
        "fields": {"quantity": "qty", "unit_price": "price", "extended_amount": "amount"},
    },
    "tenders": {"each": "paid", "fields": {"kind": "how", "amount": "amount"}},
}


def items(document: dict[str, Any], rule: dict[str, Any], **said: Any) -> list[Item]:
    mapping = RecordMapping.model_validate({"records": [rule], **said})
    return Mapper(mapping, SHANGHAI).items(document, AT, json.dumps(document, default=str).encode())


def made(document: dict[str, Any], rule: dict[str, Any]) -> Any:
    (item,) = items(document, rule)
    assert isinstance(item, Reading), item
    return item.data


def sale(**told: Any) -> Transaction:
    return cast(Transaction, made({"id": "1", "at": "2026-11-21 09:00", **told}, SALE))


def faults(*records: dict[str, Any], **said: Any) -> dict[str, str]:
    """What is refused, by its path."""
    with pytest.raises(ValidationError) as caught:
        RecordMapping.model_validate({"records": list(records), **said})
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}
