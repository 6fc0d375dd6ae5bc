"""One `Transaction` element to one record's data.

| in the log | record |
|---|---|
| RetailTransaction with goods or tenders | pos.sale; pos.return when all its goods came back |
| … cancelled, voided, or every line of it taken back and nothing tendered | pos.void |
| … empty | pos.control no-sale |
| … suspended before tender, or in training mode | pos.control suspended, training |
| ControlTransaction | pos.control, its kind in kebab case |
| TenderControlTransaction | cash.event where the kind is known, else pos.control |
| any other | pos.control, its name in kebab case |
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal
from xml.etree.ElementTree import Element

from devices.driver import Context
from devices.poslog.header import Header, read_header
from devices.poslog.lines import read_goods
from devices.poslog.tenders import paid, tenders_of
from devices.poslog.tree import (
    Malformed,
    amount_of,
    attribute,
    decimal,
    elements,
    first,
    is_set,
    kebab,
    text,
    text_of,
    within,
)
from records.types import CashEvent, PosControl, PosReturn, PosSale, PosVoid, Tender, Transaction

TillData = Transaction | PosControl | CashEvent

_RETAIL = ("RetailTransaction", "CustomerOrderTransaction", "PostVoidTransaction")
_GRAND = (
    "TransactionGrandAmount",
    "TransactionAmountTotal",
    "TransactionTotalAmount",
    "TransactionGrandTotal",
    "GrandTotal",
)
_CASH: dict[str, Literal["pay-in", "pay-out", "count"]] = {
    "PaidIn": "pay-in",
    "PaidOut": "pay-out",
    "TenderLoan": "pay-in",
    "TenderPickup": "pay-out",
    "TillSettle": "count",
}
_NOT_A_KIND = ("ReasonCode", "Reason", "Description", "TransactionLink", "ReceiptDateTime", "SequenceNumber")


def read_transaction(transaction: Element, context: Context) -> tuple[Header, TillData]:
    """Its header and the data of its record; `Malformed` when it cannot be understood."""
    body = _body(transaction)
    header = read_header(transaction, body, context)
    name = body.tag
    if name in (*_RETAIL, "Transaction"):
        return header, _retail(transaction, body, header)
    if name == "TenderControlTransaction":
        return header, _tender_control(body, header)
    kind = _control_kind(body) if name == "ControlTransaction" else kebab(name.removesuffix("Transaction"))
    return header, _control(header, kind)


def _body(transaction: Element) -> Element:
    """The element that says what it is; in the oldest logs the line items stand in the transaction itself."""
    for child in transaction:
        if child.tag.endswith("Transaction"):
            return child
    if first(transaction, "LineItem") is not None:
        return transaction
    raise Malformed("it holds no RetailTransaction, ControlTransaction or the like")


# --- sales ---------------------------------------------------------------------------------------------------------


def _retail(transaction: Element, body: Element, header: Header) -> TillData:
    goods, tenders = read_goods(body), tenders_of(body)
    state = _state(transaction, body, tenders)
    if state in ("training", "suspended"):
        return _control(header, state)
    if state != "void" and not goods.lines and not tenders and not _grand(body):
        return _control(header, "no-sale")
    kind: type[Transaction] = PosSale
    if state == "void" or (goods.lines and not goods.standing and not tenders):
        kind = PosVoid
    elif goods.standing and all(line.kind == "return" for line in goods.standing):
        kind = PosReturn
    total, tax = _grand(body), _tax(body)
    if total is None:
        total = paid(tenders)
    if kind is PosReturn:
        total, tax, tenders = _owed_back(total), _owed_back(tax), _paid_back(tenders)
    return kind(
        source_id=header.source_id,
        transaction_id=header.number,
        workstation=header.workstation,
        business_day=header.business_day,
        currency=header.currency,
        operator=header.operator,
        customer=_customer(body),
        lines=goods.lines,
        tenders=tenders,
        total=total,
        tax=tax,
    )


def _state(transaction: Element, body: Element, tenders: tuple[Tender, ...]) -> str:
    """`training`, `void`, `suspended`, or empty for what went its ordinary way."""
    told = (attribute(body, "TransactionStatus") or attribute(transaction, "TransactionStatus") or "").lower()
    both = (transaction, body)
    if "training" in told or any(is_set(one, "TrainingModeFlag") for one in both):
        return "training"
    cancelled = any(is_set(one, "CancelFlag", "VoidFlag", "VoidedFlag") for one in both)
    if cancelled or "void" in told or told.startswith("cancel") or _takes_back_another(body):
        return "void"
    suspended = "suspend" in told or any(is_set(one, "SuspendFlag", "SuspendedFlag") for one in both)
    return "suspended" if suspended and not tenders else ""


def _takes_back_another(body: Element) -> bool:
    reasons = (attribute(link, "ReasonCode") or "" for link in elements(body, "TransactionLink"))
    return body.tag == "PostVoidTransaction" or any("void" in reason.lower() for reason in reasons)


def _totals(body: Element) -> Iterator[tuple[str, Element]]:
    return (((attribute(total, "TotalType") or ""), total) for total in elements(body, "Total"))


def _total(body: Element, *kinds: str) -> Decimal | None:
    told = {kind: total for kind, total in _totals(body) if kind in kinds}
    for kind in kinds:
        if kind in told:
            element = told[kind]
            return decimal(text(element), kind) if text(element) else amount_of(element, "Amount")
    return None


def _grand(body: Element) -> Decimal | None:
    """What the customer owes, tax included."""
    grand = _total(body, *_GRAND)
    if grand is not None:
        return grand
    net, tax = _total(body, "TransactionNetAmount"), _total(body, "TransactionTaxAmount")
    return None if net is None or tax is None else net + tax


def _tax(body: Element) -> Decimal | None:
    told = _total(body, "TransactionTaxAmount")
    if told is not None:
        return told
    lines = [tax for item in elements(body, "LineItem") for tax in elements(item, "Tax")]
    amounts = [amount for tax in lines if (amount := amount_of(tax, "Amount")) is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def _owed_back(amount: Decimal | None) -> Decimal | None:
    return -abs(amount) if amount else amount


def _paid_back(tenders: tuple[Tender, ...]) -> tuple[Tender, ...]:
    """Of a return; where some are negative already, the till has its signs right."""
    if any((tender.amount or 0) < 0 for tender in tenders):
        return tenders
    return tuple(Tender(tender.kind, _owed_back(tender.amount), tender.masked_pan) for tender in tenders)


def _customer(body: Element) -> str | None:
    """The customer's or loyalty number, never a name; numbers of zeros alone are none."""
    found = [
        text_of(customer, "CustomerID", "CustomerAccountID", "AccountNumber", "ID", "LoyaltyAccountID")
        for customer in within(body, "Customer", "LoyaltyAccount", "LoyaltyMembership")
    ]
    found += [text(one) for one in within(body, "CustomerID", "LoyaltyID", "LoyaltyAccountID", "MembershipID")]
    return next((told for told in found if told and told.strip("0")), None)


# --- what is no sale -----------------------------------------------------------------------------------------------


def _control(header: Header, kind: str) -> PosControl:
    return PosControl(
        source_id=header.source_id,
        kind=kind,
        workstation=header.workstation,
        business_day=header.business_day,
        operator=header.operator,
    )


def _control_kind(body: Element) -> str:
    """Named by its element: OperatorSignOn → sign-on, BusinessSOD → open, BusinessEOD → close, NoSale → no-sale."""
    named = next((child.tag for child in body if child.tag not in _NOT_A_KIND), None)
    told = named or attribute(body, "TypeCode") or text_of(body, "ReasonCode") or "control"
    if told.endswith(("SOD", "EOD")):
        return "open" if told.endswith("SOD") else "close"
    return kebab(told).removeprefix("operator-") or "control"


def _tender_control(body: Element, header: Header) -> TillData:
    for child in body:
        if kind := _CASH.get(child.tag):
            amount = amount_of(child, "Amount", "TotalAmount")
            return CashEvent(header.source_id, kind, amount, header.workstation, header.business_day)
    return _control(header, _control_kind(body))
