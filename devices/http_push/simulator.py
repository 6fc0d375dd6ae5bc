"""A payment service's webhook: each payment is told when it is approved and again, twice at times, when completed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from devices.simulator import Message


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless events in the shape of the profile `square`; some come twice, as such services send them."""
    run, number = f"{at:%y%m%d%H%M%S}", 0
    while True:
        number += 1
        payment = _payment(rng, f"{run}{number:06}", at)
        for status in ("APPROVED", "COMPLETED", *(["COMPLETED"] if rng.random() < 0.2 else [])):
            yield Message("push", _event({**payment, "status": status}), content_type="application/json")
        at += step


def _payment(rng: Random, number: str, at: datetime) -> dict[str, Any]:
    money = {"amount": rng.randrange(100, 30_000), "currency": "CNY"}
    return {
        "id": f"pay{number}",
        "created_at": at.isoformat(),
        "amount_money": money,
        "total_money": money,
        "location_id": "L01",
        "order_id": f"order{number}",
        "receipt_number": number[-4:],
        "source_type": rng.choice(("CARD", "CASH", "WALLET")),
    }


def _event(payment: dict[str, Any]) -> bytes:
    event = {
        "type": "payment.updated",
        "data": {"type": "payment", "id": payment["id"], "object": {"payment": payment}},
    }
    return json.dumps(event).encode()
