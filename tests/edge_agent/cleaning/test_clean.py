"""A reading becomes a record without secrets, or is set aside with its reason."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from devices.driver import Reading, Rejected
from edge_agent.cleaning import MAX_RAW, Moment, Policy, clean, quarantine
from records import RECORD_TYPES, ClockQuality, Record, from_wire, to_json, to_wire, type_of
from records import types as t

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MOMENT = Moment(NOW, 5_000, ClockQuality.SYNCED)
POLICY = Policy(b"k" * 32)
PAN = "6222021234567890128"


def cleaned(data: msgspec.Struct, at: datetime = NOW, **more: Any) -> Record | Rejected:
    return clean(Reading(data, at, **more), "till-1", POLICY, MOMENT)


def record(data: msgspec.Struct) -> Record:
    made = cleaned(data)
    assert isinstance(made, Record), made
    return made


def sale(**more: Any) -> t.PosSale:
    return t.PosSale(**{"source_id": "1/2026-11-21/189", "transaction_id": "189", **more})


def test_a_clean_reading_passes_as_it_is() -> None:
    """Nothing is copied where nothing had to change; the box's clock is told beside it."""
    data = sale(lines=(t.SaleLine(1, "sale", "85123", "06901234567892", "MUG", Decimal(2)),), total=Decimal("3.00"))
    made = record(data)

    assert made.data is data
    assert made == Record("till-1", NOW, data, 5_000, ClockQuality.SYNCED)


def test_the_sources_own_clock_is_told() -> None:
    """A reading that carries the device's time says so."""
    made = cleaned(t.DoorCount(1, 0), clock=ClockQuality.SOURCE)
    assert isinstance(made, Record)
    assert made.clock is ClockQuality.SOURCE


@pytest.mark.parametrize("field", ["operator", "customer"])
def test_people_become_keyed_pseudonyms(field: str) -> None:
    """The same person the same, another another, another key all others."""
    one, again, other = (getattr(record(sale(**{field: name})).data, field) for name in ("1001", "1001", "1002"))
    foreign = clean(Reading(sale(**{field: "1001"}), NOW), "till-1", Policy(b"x" * 32), MOMENT)

    assert one == again != other
    assert one[:2] == {"operator": "p-", "customer": "c-"}[field]
    assert len(one) == 18
    assert isinstance(foreign, Record)
    assert getattr(foreign.data, field) != one


def test_persons_and_subjects_are_people_too() -> None:
    """Whoever clocks in, counts, or was measured."""
    for data in (t.Punch("1", "E-17"), t.CheckDone("door", "ok", "E-17"), t.TempCheck(36.5, "normal", "E-17")):
        assert b"E-17" not in to_json(record(data))


def _texts(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """A value with a card number for each text field of a struct."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        if field.type in (str, str | None):
            values[field.name] = f"card {PAN}"
        elif field.type == tuple[t.SaleLine, ...]:
            values[field.name] = (t.SaleLine(1, "sale", **_texts(t.SaleLine)),)
        elif field.type == tuple[t.Tender, ...]:
            values[field.name] = (t.Tender("card", masked_pan=PAN),)
        elif field.type in (dict[str, str], dict[str, object]):
            values[field.name] = {
                "note": f"card {PAN}",
                "1": f"{PAN[:4]} {PAN[4:8]} {PAN[8:12]} {PAN[12:16]} {PAN[16:]}",
            }
    return values


_REQUIRED: dict[Any, Any] = {int: 1, float: 1.0, Decimal: Decimal(1), bool: False, datetime: NOW, date: NOW.date()}


def _filled(struct: type[msgspec.Struct]) -> msgspec.Struct:
    values = _texts(struct)
    for field in msgspec.structs.fields(struct):
        if field.required and field.name not in values:
            choices = getattr(field.type, "__args__", ())
            values[field.name] = _REQUIRED.get(field.type, choices[0] if choices else None)
            if field.name == "grid":
                values[field.name] = ((1,),)
    return struct(**values)


@pytest.mark.parametrize("kind", sorted(RECORD_TYPES))
def test_no_text_field_of_any_type_lets_a_card_through(kind: str) -> None:
    """Every struct, its lists and maps; the record is still one of its type."""
    made = record(_filled(RECORD_TYPES[kind].struct))
    printed = to_json(made).replace(b" ", b"")

    assert PAN.encode() not in printed
    assert PAN[4:-4].encode() not in printed
    assert from_wire(type_of(made.data), to_wire(made)).data == made.data


def test_a_masked_line_is_flagged() -> None:
    """So that HQ can say where card numbers stand in names."""
    (line,) = record(sale(lines=(t.SaleLine(1, "sale", name=f"TOPUP {PAN}"),))).data.lines  # type: ignore[attr-defined]
    assert line.name == "TOPUP 622202*********0128"
    assert line.flags == ("card-masked",)


def test_a_card_as_transaction_number_stays_distinct() -> None:
    """Starring would make two sales one; a keyed token keeps them apart."""
    cards = ("4111111111111111", "4012888888881881", "4111-1111-1111-1111", "till 2/4111 1111 1111 1111")
    tokens = {record(sale(transaction_id=number)).data.transaction_id for number in cards}  # type: ignore[attr-defined]
    assert len(tokens) == len(cards)
    assert all(token.startswith("x-") for token in tokens)


def test_a_ticket_number_in_parts_stays() -> None:
    """Store, till, day and number with separators are no card."""
    for number in ("0214-03-20261121-000189", "20261121-101500-0189", "0214/03/0000189"):
        assert record(sale(transaction_id=number)).data.transaction_id == number  # type: ignore[attr-defined]


def test_order_numbers_that_look_like_payment_codes_stay() -> None:
    """18 digits that begin with a year are a till's number in a till's field."""
    number = "251121000123456789"
    assert record(sale(transaction_id=number)).data.transaction_id == number  # type: ignore[attr-defined]


def test_a_payment_code_in_a_receipt_is_starred() -> None:
    """No digit of it stays."""
    made = record(t.PosReceipt("r", "微信支付 134605723733336326\n合计 12.00"))
    assert made.data.text == "微信支付 ******************\n合计 12.00"  # type: ignore[attr-defined]


def test_a_wrong_gtin_in_a_line_is_flagged_and_kept() -> None:
    """A till's item file has such numbers; the sale is true all the same."""
    (line,) = record(sale(lines=(t.SaleLine(1, "sale", gtin="06901234567893"),))).data.lines  # type: ignore[attr-defined]
    assert (line.gtin, line.flags) == ("06901234567893", ("gtin-check-digit",))


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (datetime(1980, 1, 6, tzinfo=UTC), "before 1990"),
        (NOW + timedelta(days=2), "future"),
        (datetime(2026, 11, 21, 9), "zone"),  # noqa: DTZ001 - the fault under test
    ],
)
def test_a_clock_gone_wrong_is_set_aside(at: datetime, reason: str) -> None:
    """The bytes it was read from are kept, at the box's own time, and the source's state goes on."""
    made = cleaned(t.DoorCount(1, 0), at, raw=b"<x/>", state={"k": b"v"})
    assert isinstance(made, Rejected)
    assert reason in made.reason
    assert (made.raw, made.at, made.state) == (b"<x/>", NOW, {"k": b"v"})


def test_old_sales_are_welcome() -> None:
    """Files of years ago are read as they are."""
    made = clean(Reading(sale(), datetime(2010, 12, 1, tzinfo=UTC)), "till-1", POLICY, MOMENT)
    assert isinstance(made, Record)


@pytest.mark.parametrize(
    "data",
    [
        t.DoorCount(-1, 0),
        t.DoorCount(0, 10**6),
        t.DoorCount(0, 0, NOW, NOW - timedelta(1)),
        t.TempCheck(500.0, "invalid"),
        t.TempCheck(float("nan"), "invalid"),
        t.TempAmbient(2000.0),
        t.TempAmbient(4.0, humidity_pct=101.0),
        t.ZoneOccupancy("z", -1),
        t.ZoneQueue("z", 1, -1.0),
        t.ZoneDwell("z", -1.0),
        t.WifiPresence(-1, 60),
        t.Weight(Decimal(-1)),
        t.Weight(Decimal("NaN")),
        t.Energy(Decimal(-1)),
        t.Power(False, 101.0),
    ],
)
def test_what_cannot_be_true_is_set_aside(data: msgspec.Struct) -> None:
    """Negative counts, impossible temperatures, no numbers at all."""
    assert isinstance(cleaned(data), Rejected)


def test_quarantine_is_masked_bounded_and_readable() -> None:
    """The reason says how much there was; a number at the cut is masked whole."""
    raw = b"x" * (MAX_RAW - 8) + PAN.encode() + b"y" * 1000
    made = quarantine(Rejected(f"bad line with {PAN}", raw, NOW), "till-1")

    assert isinstance(made.data, t.Quarantine)
    kept = b64decode(made.data.raw)
    assert kept == b"x" * (MAX_RAW - 8) + b"622202**"
    assert PAN not in made.data.reason
    assert str(len(raw)) in made.data.reason
    assert (made.device, made.at, made.data.device) == ("till-1", NOW, "till-1")


@pytest.mark.parametrize("separator", ["", " ", "-", "\u3000"])
@pytest.mark.parametrize("digits", range(5, 20))
def test_a_number_that_a_driver_cut_is_masked_too(separator: str, digits: int) -> None:
    """Nobody can tell whether it was a card's: six digits stay, and four more where the rest is a number itself."""
    end = separator.join(PAN[:digits]).encode()
    made = quarantine(Rejected("cut", b"x" * (MAX_RAW - len(end)) + end, NOW), "till-1")

    assert isinstance(made.data, t.Quarantine)
    kept = b64decode(made.data.raw)
    assert len(kept) == MAX_RAW
    shown = re.sub(rb"[^0-9]", b"", kept).decode()
    assert shown[:6] == PAN[:digits][:6]
    assert len(shown) <= (6 if digits < 13 else 10)
