"""Templates: what they read of receipts, exactly, and what they say of themselves when they are wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from devices.escpos_tap.money import NoAmount, amount
from devices.escpos_tap.simulator import chinese_receipt, messages, western_receipt
from devices.escpos_tap.template import Template, TemplateError, load, read, shipped
from devices.goods import tickets
from edge_agent.cli import main
from tests.devices.escpos_tap.tapped import AT, receipt, receipts, tapped

SUPERMARKET = """
        好又多超市
小票号：2026112100017  机号：03
--------------------------------
品名      数量   单价     金额
--------------------------------
6901234567892 特仑苏纯牛奶
          2   49.90    99.80
红富士苹果 1.236  9.98   12.34
购物袋  0.30×1  0.30
--------------------------------
合计：      3          ￥112.44
微信支付：             ￥100.00
现金                     20.00
找零                      7.56
谢谢惠顾
"""
RESTAURANT = """
川味小馆
账单号: A20261121-08  桌号: 12
菜品        数量    小计
--------------------------------
宫保鸡丁     1份    38.00
米饭         3      6.00
  (备注: 少辣)
酸梅汤       2杯    16.00
--------------------------------
服务费               6.00
应付金额            66.00
支付宝              66.00
"""
WESTERN = """
CORNER SHOP
Receipt #: 004217   Till: 2
2 x Tea               2.50     5.00
Cheese 0.312 kg                4.06
Bread                          3.10 A
Refund mug                    -7.50
Subtotal                       4.66
VAT 20%                        0.93
TOTAL                         $4.66
VISA                           4.66
"""
COMMA = """
Bäckerei
Bon-Nr. 4711  Kasse 3
2 x 1,25
Brezel                  2,50
Torte                1.234,50 A
Summe      EUR       1.237,00
Bar                  1.300,00
Rückgeld                63,00
"""


def fields(template: str, text: str) -> dict[str, Any]:
    return read(load(template), text).fields


def items(found: dict[str, Any], *names: str) -> list[tuple[str | None, ...]]:
    return [tuple(line.get(name) for name in names) for line in found["lines"]]


def test_a_supermarkets_receipt_is_read_whole() -> None:
    """Number, till, total, two tenders, change; items in three layouts, full-width signs as plain ones."""
    found = fields("cn-retail", SUPERMARKET)
    assert {name: found[name] for name in ("transaction_id", "workstation", "total", "change")} == {
        "transaction_id": "2026112100017", "workstation": "03", "total": "112.44", "change": "7.56",
    }  # fmt: skip
    assert found["tenders"] == [{"kind": "wechat", "amount": "100.00"}, {"kind": "cash", "amount": "20.00"}]
    assert items(found, "item_id", "name", "quantity", "unit_price", "extended_amount") == [
        ("6901234567892", "特仑苏纯牛奶", "2", "49.90", "99.80"),
        (None, "红富士苹果", "1.236", "9.98", "12.34"),
        (None, "购物袋", "1", "0.30", "0.30"),
    ]


def test_a_restaurants_bill_is_read_whole() -> None:
    """Portions, without remarks and service charge."""
    found = fields("cn-restaurant", RESTAURANT)
    assert (found["transaction_id"], found["total"]) == ("A20261121-08", "66.00")
    assert found["tenders"] == [{"kind": "alipay", "amount": "66.00"}]
    assert items(found, "name", "quantity", "unit", "extended_amount") == [
        ("宫保鸡丁", "1", "份", "38.00"),
        ("米饭", "3", None, "6.00"),
        ("酸梅汤", "2", "杯", "16.00"),
    ]


def test_a_western_receipt_is_read_whole() -> None:
    """Refunds are negative; tax and subtotal are no items."""
    found = fields("western", WESTERN)
    assert (found["transaction_id"], found["workstation"], found["total"]) == ("004217", "2", "4.66")
    assert found["tenders"] == [{"kind": "card", "amount": "4.66"}]
    assert items(found, "name", "quantity", "unit_price", "extended_amount") == [
        ("Tea", "2", "2.50", "5.00"),
        ("Cheese 0.312 kg", None, None, "4.06"),
        ("Bread", None, None, "3.10"),
        ("Refund mug", None, None, "-7.50"),
    ]


def test_a_decimal_comma_is_read_as_such() -> None:
    """Amounts come out with a point, thousands without one."""
    found = fields("western-comma", COMMA)
    assert (found["transaction_id"], found["total"], found["change"]) == ("4711", "1237.00", "63.00")
    assert found["tenders"] == [{"kind": "cash", "amount": "1300.00"}]
    assert items(found, "name", "extended_amount") == [("Brezel", "2.50"), ("Torte", "1234.50")]


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("¥1,234.50", ".", "1234.50"),
        ("12,080-", ".", "-12080"),
        ("¥12,080-", ".", "12080"),
        ("12.00-", ".", "-12.00"),
        ("(3.20)", ".", "-3.20"),
        ("-0.10元", ".", "-0.10"),
        ("1.234,50 €", ",", "1234.50"),
        ("0.30", ".", "0.30"),
        ("9999999999.99", ".", "9999999999.99"),
    ],
)
def test_amounts_are_exact(text: str, decimal: str, expected: str) -> None:
    """As printed, to the last digit."""
    assert str(amount(text, decimal)) == expected


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1" * 40])
def test_what_is_no_amount_is_none(text: str) -> None:
    """It is refused, not guessed."""
    with pytest.raises(NoAmount):
        amount(text, ".")


def test_simulated_receipts_are_read_to_the_cent() -> None:
    """What the simulated tills print is what they sold: number, total, and the sum of the items."""
    sold = [ticket for seed in range(20) for ticket in tickets(Random(seed), AT, timedelta(hours=1), 1)]
    assert len(sold) > 100
    for ticket in sold:
        sign = -1 if ticket.returned else 1
        for render, template in ((chinese_receipt, "cn-retail"), (western_receipt, "western")):
            found = receipt(b"\x1b@" + render(ticket, cash=True) + b"\x1dV\x00", template=template).fields
            assert Decimal(str(found["total"])) == sign * ticket.total
            assert isinstance(found["lines"], list)
            amounts = [Decimal(line["extended_amount"]) for line in found["lines"]]
            assert amounts == [sign * one.amount for one in ticket.sold]
            assert str(found["transaction_id"]).endswith(f"{ticket.number:05}")


def test_simulated_copies_are_copies() -> None:
    """As many as were printed twice, and every receipt besides."""
    said = list(islice(messages(Random(5), datetime(2026, 11, 21, 9, tzinfo=UTC), timedelta(minutes=1)), 200))
    found = receipts(tapped(*(message.body for message in said)))
    twice = sum(message.body[: len(message.body) // 2] * 2 == message.body for message in said)
    assert twice > 5
    assert (len(found), sum(one.copies for one in found)) == (200, twice)


def test_every_shipped_template_loads_and_says_for_what() -> None:
    """Each has a description, a total and items."""
    assert {"cn-retail", "cn-restaurant", "western", "western-comma"} <= set(shipped())
    for name in shipped():
        template = load(name)
        assert template.description
        assert template.total
        assert template.lines.items


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("total: '('", "pattern"),
        ("totall: x", "totall"),
        ("decimal: ';'", "decimal"),
        ("lines: {items: ['(?P<naem>x)']}", "unknown group naem"),
        ("a: b: c", "YAML"),
        ("- 1", "valid"),
    ],
)
def test_a_bad_template_says_what_is_wrong(tmp_path: Path, text: str, hint: str) -> None:
    """With the key or the pattern that is meant."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(TemplateError, match=hint):
        load(str(file))


def test_an_unknown_template_names_the_shipped_ones() -> None:
    """And that a path will do."""
    with pytest.raises(TemplateError, match=r"western.*path"):
        load("nope")


def test_an_empty_template_reads_nothing() -> None:
    """No field is made up."""
    found = read(Template(), SUPERMARKET)
    assert (found.fields, found.without_copy) == ({}, SUPERMARKET)


def test_the_tool_shows_each_line_and_what_it_was_taken_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And whether the items come to the total."""
    capture = tmp_path / "print.bin"
    capture.write_bytes(SUPERMARKET.encode("gb18030") + b"\x1dV\x00")
    assert main(["receipt", str(capture), "--template", "cn-retail"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"(?m)^transaction_id *\| 小票号：2026112100017", out)
    assert re.search(r"(?m)^item, goes on *\| +2 +49.90", out)
    assert "3 items come to 112.44, the total" in out
    assert main(["receipt", str(capture), "--template", "nope"]) == 2
    assert main(["receipt", str(tmp_path / "none.bin"), "--template", "western"]) == 1
