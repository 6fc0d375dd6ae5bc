"""A record in a few plain words. Names no person, shows no card number and no text that a till or receipt printed."""

from __future__ import annotations

from decimal import Decimal
from functools import singledispatch

import msgspec

from hq.console import figures
from hq.console.words import Words
from records import types

LONGEST = 80


def summary(data: msgspec.Struct, words: Words) -> str:
    """What a record says, at most `LONGEST` characters; empty for a type that has nothing plain to say."""
    text = words("comma").join(part for part in says(data, words) if part)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


@singledispatch
def says(_data: msgspec.Struct, _words: Words) -> list[str]:
    """The parts of a summary; empty ones are left out."""
    return []


@says.register
def _transaction(data: types.Transaction, words: Words) -> list[str]:
    tenders = [words.named("tender", tender.kind) for tender in data.tenders]
    return [
        _money(data.total, data.currency, words),
        _lines(len(data.lines), words),
        " + ".join(dict.fromkeys(tenders)),
    ]


def _money(amount: Decimal | None, currency: str | None, words: Words) -> str:
    return figures.UNKNOWN if amount is None else figures.money(amount, currency, words.language)


def _lines(number: int, words: Words) -> str:
    if not number:
        return ""
    return words("one_line") if number == 1 else words("lines", count=figures.count(number))


@says.register
def _control(data: types.PosControl, words: Words) -> list[str]:
    return [words.named("control", data.kind)]


@says.register
def _receipt(data: types.PosReceipt, words: Words) -> list[str]:
    return [_lines(len(data.text.splitlines()), words)]


@says.register
def _cash(data: types.CashEvent, words: Words) -> list[str]:
    amount = "" if data.amount is None else _money(data.amount, None, words)
    return [words.named("cash", data.kind), amount]


@says.register
def _scan(data: types.Scan, words: Words) -> list[str]:
    weight = "" if data.weight_kg is None else f"{figures.quantity(data.weight_kg)} kg"
    return [data.gtin or data.code, words.named("role", data.role) if data.role else "", weight]


@says.register
def _payment(data: types.PaymentCode, words: Words) -> list[str]:
    return [words("code_not_kept", scheme=words.named("tender", data.scheme))]


@says.register
def _door(data: types.DoorCount, words: Words) -> list[str]:
    return [words("in_out", in_=figures.count(data.in_), out=figures.count(data.out))]


@says.register
def _cars(data: types.CarCount, words: Words) -> list[str]:
    return [words("in_out", in_=figures.count(data.in_), out=figures.count(data.out))]


@says.register
def _path(data: types.ZonePath, _: Words) -> list[str]:
    return [f"{data.from_} → {data.to}"]


@says.register
def _occupancy(data: types.ZoneOccupancy, words: Words) -> list[str]:
    return [data.zone, _people(data.count, words)]


def _people(number: int, words: Words) -> str:
    return words("one_person") if number == 1 else words("people", count=figures.count(number))


@says.register
def _dwell(data: types.ZoneDwell, words: Words) -> list[str]:
    return [data.zone, figures.age(data.seconds, words)]


@says.register
def _queue(data: types.ZoneQueue, words: Words) -> list[str]:
    wait = "" if data.wait_s is None else figures.age(data.wait_s, words)
    return [data.zone, words("waiting_people", count=figures.count(data.length)), wait]


@says.register
def _heatmap(data: types.ZoneHeatmap, _: Words) -> list[str]:
    return [data.zone or ""]


@says.register
def _camera(data: types.CameraHealth, words: Words) -> list[str]:
    return [words.named("camera", data.state)]


@says.register
def _counted_by_hand(data: types.CountAudit, words: Words) -> list[str]:
    tapped = words("in_out", in_=figures.count(data.tapped_in), out=figures.count(data.tapped_out))
    counted = words("in_out", in_=figures.count(data.counted_in), out=figures.count(data.counted_out))
    return [data.line, words("by_hand", counts=tapped), words("by_camera", counts=counted)]


@says.register
def _still(data: types.CameraStill, _: Words) -> list[str]:
    return [f"{data.width} × {data.height}"]


@says.register
def _temperature(data: types.TempCheck, words: Words) -> list[str]:
    return [_celsius(data.celsius), words.named("verdict", data.verdict)]


@says.register
def _ambient(data: types.TempAmbient, _: Words) -> list[str]:
    humidity = "" if data.humidity_pct is None else f"{figures.quantity(data.humidity_pct)} %"
    return [data.probe or "", _celsius(data.celsius), humidity, data.excursion or ""]


def _celsius(degrees: float | None) -> str:
    return figures.UNKNOWN if degrees is None else f"{figures.quantity(degrees)} °C"


@says.register
def _weight(data: types.Weight, _: Words) -> list[str]:
    return [f"{figures.quantity(data.kg)} kg"]


@says.register
def _punch(data: types.Punch, words: Words) -> list[str]:
    return [words.named("direction", data.direction), data.method or ""]


@says.register
def _wifi(data: types.WifiPresence, words: Words) -> list[str]:
    return [_people(data.count, words)]


@says.register
def _energy(data: types.Energy, _: Words) -> list[str]:
    return [f"{figures.quantity(data.kwh)} kWh", data.meter or ""]


@says.register
def _power(data: types.Power, words: Words) -> list[str]:
    charge = "" if data.charge_pct is None else words("charge", pct=figures.quantity(data.charge_pct))
    return [words("on_battery" if data.on_battery else "on_mains"), charge]


@says.register
def _check(data: types.CheckDone, _: Words) -> list[str]:
    return [data.item, data.result]


@says.register
def _supply(data: types.SupplyCount, _: Words) -> list[str]:
    return [data.supply, figures.quantity(data.quantity)]


@says.register
def _health(data: types.DeviceHealth, words: Words) -> list[str]:
    return [words.named("device", data.state), data.reason or ""]


@says.register
def _quarantine(data: types.Quarantine, _: Words) -> list[str]:
    return [data.reason]


@says.register
def _loss(data: types.Loss, words: Words) -> list[str]:
    reason = words.named("loss", data.reason)
    return [words("records_lost", count=figures.count(data.count), reason=reason)]


@says.register
def _stream(data: types.StreamOpen, words: Words) -> list[str]:
    return [data.box, words.named("stream", data.reason)]


@says.register
def _alert(data: types.Alert, _: Words) -> list[str]:
    return [data.rule, data.subject]


@says.register
def _audit(data: types.Audit, _: Words) -> list[str]:
    return [data.action]


@says.register
def _step(data: types.ClockStep, words: Words) -> list[str]:
    return [words("stepped", before=figures.machine(data.before), after=figures.machine(data.after))]
