"""Line items of goods: sold, brought back, taken off again.

A line of kind `void` takes back an earlier line and carries its negative, so that a transaction's lines add up. Tills
write it as a second line with `VoidFlag` and a positive quantity, linked by `ItemLink` or only by being alike. A line
with `VoidFlag` that takes nothing back was itself cancelled: its amount counts for nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Literal, NamedTuple
from xml.etree.ElementTree import Element

import msgspec

from devices.check_digit import check_digit
from devices.poslog.tree import (
    Malformed,
    amount_of,
    attribute,
    decimal,
    elements,
    first,
    is_set,
    text,
    text_of,
    within,
)
from records.types import SaleLine

_GOODS = ("CustomerOrderForDelivery", "CustomerOrderForPickup", "Layaway", "PreviousCustomerOrder", "PreviousLayaway")
_GTIN_LENGTHS = (8, 12, 13, 14)
_SHORTEST_GTIN = 7
_CENT = Decimal("0.01")
_EACH = ("EA", "EACH", "PCS", "PC", "C62", "H87")


class Quantity(NamedTuple):
    value: Decimal
    unit: str | None


class Goods(NamedTuple):
    """lines: all, in the till's order; standing: those that no void takes back."""

    lines: tuple[SaleLine, ...]
    standing: tuple[SaleLine, ...]


def read_goods(body: Element) -> Goods:
    """The goods of a transaction; `Malformed` when an amount is no number."""
    read: list[SaleLine] = []
    standing: list[SaleLine] = []
    for place, (item, goods) in enumerate(_goods(body), 1):
        line = _line(item, goods, place)
        if is_set(item, "VoidFlag", "CancelFlag") or is_set(goods, "VoidFlag"):
            line = _void(line, _linked(item, goods), standing)
        else:
            line = _as_return(line) if _comes_back(line) else line
            standing.append(line)
        read.append(line)
    return Goods(tuple(read), tuple(standing))


def _goods(body: Element) -> Iterator[tuple[Element, Element]]:
    for item in elements(body, "LineItem"):
        for child in item:
            name = child.tag
            if name in _GOODS or name.startswith(("Sale", "Return")) or name.endswith("Sale"):
                yield item, child
                break


def _line(item: Element, goods: Element, place: int) -> SaleLine:
    returned = goods.tag.startswith("Return")
    price = amount_of(
        goods,
        "ActualSalesUnitPrice",
        "RegularSalesUnitPrice",
        "RegularSaleUnitPrice",
        "UnitListPrice",
        "SalesUnitPrice",
    )
    amount = amount_of(goods, "ExtendedAmount")
    discount = _discount(goods)
    quantity = _sold(goods, price, [told for told in (amount, _sum(amount, discount)) if told is not None])
    if amount is None and quantity and price is not None:
        amount = quantity.value * price - (discount or 0)
    value = quantity.value if quantity else None
    if returned:
        value, amount, discount = _signed(value, -1), _signed(amount, -1), _signed(discount, -1)
    number = text_of(item, "SequenceNumber") or ""
    return SaleLine(
        line=int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else place,
        kind="return" if returned else "sale",
        item_id=text_of(goods, "ItemID") or _pos_item(goods),
        gtin=_gtin(goods),
        name=text_of(goods, "Description", "ItemDesc", "POSDescription"),
        quantity=value,
        unit=quantity.unit if quantity else None,
        unit_price=price,
        extended_amount=amount,
        discount=discount,
        flags=_odd(value, price, returned),
    )


# --- quantities ----------------------------------------------------------------------------------------------------


def _sold(goods: Element, price: Decimal | None, amounts: Sequence[Decimal]) -> Quantity | None:
    """The quantity that was charged for: of several, as 1 EA and 0.127 Kg, the one that makes the amount."""
    told = [
        Quantity(value, attribute(element, "UnitOfMeasureCode"))
        for element in elements(goods, "Quantity")
        if (value := decimal(text(element), "Quantity")) is not None
    ]
    if price is None or not amounts:
        return next((one for one in told if (one.unit or "EA").upper() not in _EACH), told[0] if told else None)

    def off(one: Quantity) -> Decimal:
        return min(abs(abs(one.value * price) - abs(amount)) for amount in amounts)

    best = min(told, key=off, default=None)
    if best and off(best) > _CENT:
        return next((one for one in _units(goods) if off(one) <= _CENT), best)
    return best


def _units(goods: Element) -> Iterator[Quantity]:
    """Some tills count pieces in the element's text and put the weight into its `Units`."""
    for element in elements(goods, "Quantity"):
        with suppress(Malformed):
            if value := decimal(attribute(element, "Units"), "Units"):
                yield Quantity(value, attribute(element, "UnitOfMeasureCode"))


def _discount(goods: Element) -> Decimal | None:
    """What was taken off the line, where the till says so."""
    told = amount_of(goods, "ExtendedDiscountAmount", "TotalDiscountLine", "DiscountAmount")
    if told:
        return abs(told)
    modified = [_taken_off(modifier, goods) for modifier in elements(goods, "RetailPriceModifier")]
    known = [amount for amount in modified if amount is not None]
    return sum(known, Decimal(0)) if known else told


def _taken_off(modifier: Element, goods: Element) -> Decimal | None:
    if is_set(modifier, "VoidFlag"):
        return None
    element = first(modifier, "Amount")
    amount = decimal(text(element), "RetailPriceModifier")
    if element is None or amount is None:
        return None
    action = (attribute(element, "Action") or "Subtract").lower()
    if action == "replace":
        before = amount_of(modifier, "PreviousPrice")
        quantity = decimal(text_of(goods, "Quantity"), "Quantity")
        return None if before is None or quantity is None else (before - amount) * abs(quantity)
    return -abs(amount) if action == "add" else abs(amount)


def _sum(amount: Decimal | None, discount: Decimal | None) -> Decimal | None:
    return None if amount is None or discount is None else abs(amount) + discount


# --- identity ------------------------------------------------------------------------------------------------------


def _pos_item(goods: Element) -> str | None:
    return next((told for identity in elements(goods, "POSIdentity") if (told := text_of(identity, "POSItemID"))), None)


def _gtin(goods: Element) -> str | None:
    """The first number that is a GTIN by its type, length and check digit, as 14 digits; a short PLU is none."""
    told = [(attribute(one, "POSIDType"), text_of(one, "POSItemID")) for one in elements(goods, "POSIdentity")]
    told += [(attribute(one, "Type"), text(one)) for one in elements(goods, "ItemID")]
    for kind, number in told:
        named = any(word in (kind or "").upper() for word in ("GTIN", "EAN", "UPC", "JAN"))
        if named and number and _is_gtin(number):
            return number.zfill(14)
    return None


def _is_gtin(number: str) -> bool:
    if not (number.isascii() and number.isdigit()) or len(number) not in _GTIN_LENGTHS:
        return False
    long_enough = len(number.lstrip("0")) >= _SHORTEST_GTIN
    return long_enough and check_digit(number[:-1]) == int(number[-1])


def _odd(quantity: Decimal | None, price: Decimal | None, returned: bool) -> tuple[str, ...]:
    odd = {
        "zero-quantity": quantity == 0,
        "negative-quantity": not returned and quantity is not None and quantity < 0,
        "zero-price": price == 0,
        "negative-price": price is not None and price < 0,
    }
    return tuple(flag for flag, holds in odd.items() if holds)


# --- voids ---------------------------------------------------------------------------------------------------------


def _linked(item: Element, goods: Element) -> int | None:
    for link in (*within(goods, "ItemLink", "LineItemSequenceNumber"), *elements(item, "ItemLink", "CreateRefNumber")):
        told = text(link) or ""
        if told.isascii() and told.isdigit() and len(told) <= 9:
            return int(told)
    return None


def _comes_back(line: SaleLine) -> bool:
    """Some tills write what comes back as a sale of a negative quantity."""
    return line.kind == "sale" and (line.quantity or 0) < 0 and (line.extended_amount or 0) < 0


def _as_return(line: SaleLine) -> SaleLine:
    flags = tuple(flag for flag in line.flags if flag != "negative-quantity")
    return msgspec.structs.replace(line, kind="return", flags=flags)


def _void(line: SaleLine, link: int | None, standing: list[SaleLine]) -> SaleLine:
    place = _partner(line, link, standing)
    if place is not None:
        return _as_void(line, 1 if standing.pop(place).kind == "return" else -1)
    if line.kind == "sale" and (line.extended_amount or 0) < 0:
        return _as_void(line, -1)
    return msgspec.structs.replace(line, kind="void", extended_amount=None, flags=("cancelled",))


def _as_void(line: SaleLine, sign: Literal[1, -1]) -> SaleLine:
    signed = {name: _signed(getattr(line, name), sign) for name in ("quantity", "extended_amount", "discount")}
    return msgspec.structs.replace(line, kind="void", flags=(), **signed)


def _signed(value: Decimal | None, sign: int) -> Decimal | None:
    return sign * abs(value) if value else value


def _partner(line: SaleLine, link: int | None, standing: list[SaleLine]) -> int | None:
    """Place of the line it takes back: of the one it names, else of the last one like it."""
    named = [place for place, one in enumerate(standing) if one.line == link]
    if named:
        return named[0]
    alike = [place for place, one in enumerate(standing) if _is_like(one, line)]
    return alike[-1] if alike else None


def _is_like(one: SaleLine, other: SaleLine) -> bool:
    amounts = one.extended_amount, other.extended_amount
    return one.item_id == other.item_id and abs(amounts[0] or 0) == abs(amounts[1] or 0)
