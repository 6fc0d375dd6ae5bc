"""Who, where and when of a transaction."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element

from devices.driver import Context
from devices.poslog.tree import Malformed, attribute, elements, first, text, text_of
from devices.tills import OLDEST, as_utc, business_day

_CURRENCY = re.compile(r"[A-Z]{3}")
_FRACTION = re.compile(r"(\.\d{6})\d+")


class Header(NamedTuple):
    """number: the till's own of the transaction; sequence: of its log; at: when it ended, aware UTC."""

    source_id: str
    number: str
    workstation: str | None
    business_day: date
    at: datetime
    operator: str | None
    currency: str | None


def read_header(transaction: Element, body: Element, context: Context) -> Header:
    """`Malformed` when it has no number or no time: it could not be told from others."""
    sequence = text_of(transaction, "SequenceNumber")
    number = text_of(transaction, "TransactionID") or sequence or text_of(transaction, "ReceiptNumber")
    if number is None:
        raise Malformed("it has neither SequenceNumber nor TransactionID nor ReceiptNumber")
    begin = text_of(transaction, "BeginDateTime")
    end = text_of(transaction, "EndDateTime") or _logged_at(transaction, body)
    started, at = _time(begin, context), _time(end, context)
    if at is None:
        at, end = started, begin
    if at is None:
        raise Malformed("it has no time: EndDateTime, BeginDateTime, ReceiptDateTime and POSLogDateTime are missing")
    workstation = text_of(transaction, "WorkstationID")
    day = _day(transaction) or business_day(at, context)
    told = (begin if started else end) or ""
    return Header(
        source_id=f"{workstation or '-'}/{day}/{sequence or number}/{told[:19]}",
        number=number,
        workstation=workstation,
        business_day=day,
        at=at,
        operator=_operator(transaction),
        currency=_currency(transaction) or context.currency,
    )


def _logged_at(transaction: Element, body: Element) -> str | None:
    if told := text_of(body, "ReceiptDateTime") or text_of(transaction, "ReceiptDateTime"):
        return told
    stamps = sorted(
        elements(transaction, "POSLogDateTime"), key=lambda one: attribute(one, "TypeCode") != "Transaction"
    )
    return text(stamps[0]) if stamps else None


def _time(told: str | None, context: Context) -> datetime | None:
    """xs:dateTime with any number of decimals; the year 1, as some tills fill what they do not know, is no time."""
    if told is None:
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", told))
        return as_utc(moment, context) if moment.year >= OLDEST else None
    except (ValueError, OverflowError) as error:
        raise Malformed("its time is no xs:dateTime") from error


def _day(transaction: Element) -> date | None:
    told = text_of(transaction, "BusinessDayDate")
    if told is None:
        return None
    try:
        return date.fromisoformat(told[:10])
    except ValueError as error:
        raise Malformed("its BusinessDayDate is no xs:date") from error


def _operator(transaction: Element) -> str | None:
    """The operator's number; the name only where there is no number."""
    element = first(transaction, "OperatorID")
    if element is None:
        return None
    return text(element) or attribute(element, "OperatorID") or attribute(element, "OperatorName")


def _currency(transaction: Element) -> str | None:
    told = text_of(transaction, "CurrencyCode")
    return told if told and _CURRENCY.fullmatch(told) else None
