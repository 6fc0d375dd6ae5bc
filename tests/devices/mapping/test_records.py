"""A mapping: refused with the place of its fault, and obeyed to the cent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, cast

import pytest

from devices.driver import Reading, Rejected
from devices.mapping.model import RecordMapping
from devices.mapping.private import without_private
from devices.mapping.targets import SOURCES
from devices.profiles import names, profile
from records import ClockQuality
from records.types import CashEvent, DoorCount, PosReturn, PosSale, TempAmbient, Transaction
from tests.devices.mapping.rules import AT, SALE, faults, items, made, sale

# --- what a mapping may say ----------------------------------------------------------------------------------------


def test_faults_of_a_mapping_stand_at_their_path() -> None:
    """A field that is none, a required one that is missing, a choice that is none, a secret: each where it stands."""
    wrong = {
        "type": "cash.event",
        "fields": {
            "amont": "a",
            "kind": {"path": "k", "values": {"1": "payin"}},
            "amount": {"value": "1", "path": "x"},
        },
    }
    assert "did you mean pos.sale?" in faults({"type": "pos.sales", "fields": {}})["records.0.type"]
    assert "either path or value" in faults(wrong)["records.0.fields.amount"]
    del wrong["fields"]["amount"]  # type: ignore[attr-defined]
    found = faults(wrong)
    assert found.keys() - {"records"} == {f"records.0.fields.{name}" for name in ("amont", "kind", "source_id")}
    assert "did you mean amount?" in found["records.0.fields.amont"]
    assert "drawer-open" in found["records.0.fields.kind"]
    assert "is missing" in found["records.0.fields.source_id"]


def test_what_does_not_fit_its_field_is_refused() -> None:
    """Minor units of a text, a format of an amount, lines of a count, a path of nothing."""
    minor = faults({**SALE, "fields": {"transaction_id": {"path": "id", "minor_units": 2}}})
    assert "minor_units is for amounts" in minor["records.0.fields.transaction_id"]
    dated = faults({**SALE, "fields": {"transaction_id": "id", "total": {"path": "t", "format": "%d"}}})
    assert "format is for times" in dated["records.0.fields.total"]
    count = {"type": "door.count", "fields": {"in": "i", "out": "o"}, "lines": SALE["lines"]}
    assert "has none" in faults(count)["records.0.lines"]
    assert "names with dots" in faults({**SALE, "at": "a..b"})["records.0.at.path.0"]
    line = faults({**SALE, "lines": {"each": "l", "fields": {"colour": "c"}}})
    assert "no such field" in line["records.0.lines.fields.colour"]


@pytest.mark.parametrize("secret", ["auth_code", "data.openid", "$.sign", "phone"])
def test_a_secret_is_mapped_to_no_field(secret: str) -> None:
    """Neither the usual ones nor those that the mapping itself names."""
    (message,) = faults({**SALE, "fields": {"transaction_id": secret}}, private=["phone"]).values()
    assert secret in message
    assert "no record keeps" in message


def test_every_shipped_profile_is_a_mapping() -> None:
    """Each passes the same checks as one that a chain writes."""
    assert names("documents") == ("plain", "square", "wechat")
    for name in names("documents"):
        RecordMapping.model_validate(profile(name, "documents"))
    with pytest.raises(ValueError, match="did you mean square"):
        profile("sqare", "documents")


def test_a_mapping_makes_no_record_of_the_agents_own() -> None:
    """What the agent says of itself no source can say."""
    assert {"quarantine", "loss", "stream.open", "audit", "device.health"}.isdisjoint(SOURCES)
    assert {"pos.sale", "cash.event", "door.count", "scan", "temp.ambient"} <= set(SOURCES)


# --- transactions --------------------------------------------------------------------------------------------------


def test_amounts_are_exact_whatever_they_are_written_as() -> None:
    """Texts, whole numbers, floats and decimals; quantity × price without rounding."""
    ticket = sale(
        lines=[{"qty": "0.735", "price": 19.99}, {"qty": 3, "price": Decimal("0.10")}, {"amount": "1,234.50"}]
    )
    assert [line.extended_amount for line in ticket.lines] == [Decimal("14.69265"), Decimal("0.30"), Decimal("1234.50")]
    assert ticket.total == Decimal("1249.49265")


@pytest.mark.parametrize(("currency", "amount"), [("CNY", "12.50"), ("JPY", "1250"), ("KWD", "1.250"), (None, "12.50")])
def test_minor_units_go_by_the_currency(currency: str | None, amount: str) -> None:
    """Yen have none, dinars three; the store's currency where the document names none."""
    fields = {"transaction_id": "id", "currency": "cur", "total": {"path": "t", "minor_units": "currency"}}
    ticket = made({"id": "1", "at": "2026-11-21", "t": 1250, "cur": currency}, {**SALE, "fields": fields})
    assert ticket.total == Decimal(amount)


def test_a_ticket_of_returns_is_a_return() -> None:
    """Negative whichever sign the source gave, its payments too; a mixed ticket stays a sale."""
    back = sale(lines=[{"qty": 2, "price": 5, "way": "B"}], paid=[{"how": "CASH", "amount": 10}])
    assert isinstance(back, PosReturn)
    assert (back.total, back.tenders[0].amount, back.lines[0].kind) == (Decimal(-10), Decimal(-10), "return")
    assert (back.lines[0].quantity, back.lines[0].unit_price) == (Decimal(-2), Decimal(5))
    mixed = sale(lines=[{"qty": -2, "price": 5, "way": "B"}, {"qty": 1, "price": 12}])
    assert isinstance(mixed, PosSale)
    assert (mixed.total, mixed.lines[0].flags) == (Decimal(2), ())


def test_the_identity_is_the_sources_own() -> None:
    """Workstation, business day and number, by the till's clock; or what the mapping says."""
    assert sale().source_id == "-/2026-11-21/1"
    fields = {"transaction_id": "id", "workstation": {"value": "web"}, "source_id": "uuid"}
    document = {"id": " 7 ", "at": "2026-11-21 23:30", "uuid": None}
    assert made(document, {**SALE, "fields": fields}).source_id == "web/2026-11-21/7"
    assert made({**document, "uuid": "u-1"}, {**SALE, "fields": fields}).source_id == "u-1"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"qty": "two"}, "lines.1.qty is not a number, or one that could mean two"),
        ({"qty": "1,234"}, "lines.1.qty is not a number, or one that could mean two"),
        ({"qty": [1]}, "lines.1.qty is not a number"),
        ({"qty": True}, "lines.1.qty is not a number"),
        ({"qty": 1, "price": float("nan")}, "lines.1.price is not a number"),
        ({"qty": Decimal("1E+400")}, "lines.1.qty has too many digits"),
    ],
)
def test_a_broken_line_costs_that_line_alone(line: dict[str, Any], reason: str) -> None:
    """The rest of the ticket is kept; the reason begins with the path."""
    ticket, rejected = items({"id": "1", "at": "2026-11-21", "lines": [{"qty": 1, "price": 2}, line]}, SALE)
    assert isinstance(ticket, Reading)
    assert isinstance(rejected, Rejected)
    assert [one.line for one in cast(Transaction, ticket.data).lines] == [1]
    assert rejected.reason == reason


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"at": "2026-11-21"}, "id is blank, which is the transaction_id"),
        ({"id": "1"}, "at is blank, and no record is without a time"),
        ({"id": "1", "at": "yesterday"}, "at is not a time that is known; set format"),
        ({"id": "1", "at": "0001-01-01"}, "at its year is no year of a till"),
        ({"id": {"a": 1}, "at": "2026-11-21"}, "id is no single value"),
    ],
)
def test_a_record_without_what_it_needs_is_set_aside(document: dict[str, Any], reason: str) -> None:
    """With the path that is to blame, and with its bytes."""
    (rejected,) = items(document, SALE)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, json.loads(rejected.raw)) == (reason, document)


# --- other records, paths, conditions ------------------------------------------------------------------------------


def test_other_types_are_filled_by_their_kinds() -> None:
    """Counts, degrees, choices, times by epoch; a time that is not told is the arrival's."""
    count = {"type": "door.count", "at": {"path": "t", "format": "epoch-ms"}, "fields": {"in": "n.0", "out": "n.1"}}
    (item,) = items({"t": 1_700_000_000_500, "n": ["3", 1.0]}, count)
    assert isinstance(item, Reading)
    assert item.data == DoorCount(3, 1)
    assert (item.at.timestamp(), item.clock) == (1_700_000_000.5, ClockQuality.SOURCE)
    (item,) = items({"t": "-18.5"}, {"type": "temp.ambient", "fields": {"celsius": "t"}})
    assert isinstance(item, Reading)
    assert (item.data, item.at, item.clock) == (TempAmbient(-18.5), AT, None)
    cash = {"type": "cash.event", "fields": {"source_id": "n", "kind": {"path": "k", "values": {"1": "pay-in"}}}}
    assert made({"n": 5, "k": 1}, cash) == CashEvent("5", "pay-in")
    (rejected,) = items({"n": 5, "k": 2}, cash)
    assert isinstance(rejected, Rejected)
    assert "`values` do not name" in rejected.reason


def test_records_stand_where_each_says_and_begin_again_at_the_root() -> None:
    """One alone is a list of one; `$.` is the whole document; an element's raw is its own."""
    rule = {**SALE, "each": "data.sales", "at": "$.day", "fields": {"transaction_id": "id", "workstation": "$.till"}}
    document = {"day": "2026-11-21", "till": 4, "data": {"sales": [{"id": 1}, {"id": 2}, {}]}}
    found = items(document, rule)
    assert [item.data.source_id for item in found if isinstance(item, Reading)] == ["4/2026-11-21/1", "4/2026-11-21/2"]  # type: ignore[attr-defined]
    assert [item.raw for item in found] == [b'{"id": 1}', b'{"id": 2}', b"{}"]
    assert made({**document, "data": {"sales": {"id": 9}}}, rule).transaction_id == "9"


def test_conditions_choose_documents() -> None:
    """All must hold; what no rule takes is set aside, or dropped where that is said."""
    rule = {**SALE, "when": {"status": ["PAID", "DONE"], "id": "*"}}
    document = {"id": 1, "at": "2026-11-21", "status": "DONE"}
    assert isinstance(items(document, rule)[0], Reading)
    (rejected,) = items({**document, "status": "OPEN"}, rule)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "no rule of the mapping takes it"
    assert items({**document, "id": ""}, rule, otherwise="drop") == []


# --- secrets -------------------------------------------------------------------------------------------------------

CODE = "134605723733336326"


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"a": 1, "auth_code": "{CODE}", "x": 2}}',
        f'{{"auth_code" : {CODE}}}',
        f'{{"auth_code": "{CODE[:-4]}',
        f'{{"AUTH_CODE": ["{CODE}"]}}',
        f'{{"openid": {{"a": "{CODE}"}}}}',
        f"<xml><auth_code>{CODE}</auth_code></xml>",
        f"<xml><auth_code><![CDATA[{CODE}]]></auth_code></xml>",
        f"<auth_code a='1'>{CODE[:-4]}",
        f"a=1&auth_code={CODE}&b=2",
        f"sign={CODE}",
        f'{{"phone": "{CODE}"}}',
    ],
)
def test_secrets_are_taken_out_of_what_is_set_aside(raw: str) -> None:
    """In JSON, XML and forms, whole or cut off, and what stands around them stays."""
    kept = without_private(raw.encode(), ("phone",))
    assert CODE[:-4].encode() not in kept
    assert (
        without_private(b'{"signs": "1", "a": "sign", "design": 2}', ()) == b'{"signs": "1", "a": "sign", "design": 2}'
    )
