"""What was paid with. Of cards only the masked number is read; expiry, tracks and issuer number are not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from xml.etree.ElementTree import Element

from devices.poslog.privacy import masked_pan
from devices.poslog.tree import amount_of, attribute, elements, first, is_set, kebab, text, text_of, within
from records.types import Tender

_CARD = ("creditdebit", "credit", "debit", "creditcard", "debitcard")
_PAID_BACK = ("refund", "change", "return")


def tenders_of(body: Element) -> tuple[Tender, ...]:
    """Tenders in the till's order; change and refunds are negative, so that they add up to what was paid."""
    return tuple(tender for item in elements(body, "LineItem") for tender in _tenders(item))


def _tenders(item: Element) -> Iterator[Tender]:
    element = first(item, "Tender")
    if element is None or is_set(item, "VoidFlag", "CancelFlag") or is_set(element, "VoidFlag"):
        return
    amount = amount_of(element, "Amount")
    if amount is not None and (attribute(element, "TypeCode") or "").lower() in _PAID_BACK:
        amount = -abs(amount)
    yield Tender(_kind(element), amount, _pan(element))
    for change in elements(element, "TenderChange"):
        given = amount_of(change, "Amount")
        if given:
            yield Tender("change", -abs(given))


def _kind(element: Element) -> str:
    """As the till names it; CreditDebit, the standard's word, is a card."""
    told = attribute(element, "TenderType") or text_of(element, "TenderType", "TenderID") or "unknown"
    return "card" if told.lower() in _CARD else kebab(told) or told.lower()


def _pan(element: Element) -> str | None:
    for number in within(element, "PrimaryAccountNumber", "MaskedPrimaryAccountNumber", "CardNumber"):
        if masked := masked_pan(text(number) or text_of(number, "Value") or ""):
            return masked
    return None


def paid(tenders: tuple[Tender, ...]) -> Decimal | None:
    """What they add up to, None where an amount is unknown or nothing was tendered."""
    amounts = [tender.amount for tender in tenders]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None
