"""What must never be kept: card data and people's names in the raw text, full card numbers in tenders."""

from __future__ import annotations

import re

from devices.tills import RAW_LIMIT

_SECRET = (
    b"PrimaryAccountNumber|AccountNumber|CardNumber|IssuerIdentificationNumber|ExpirationDate|ExpiryDate|CardHolderName"
    b"|CardholderName|Track[123](?:Data|BitMap)?|TrackData|OperatorName|EncryptedData|PIN|CVV|CVC"
    b"|CustomerID|CustomerAccountID|LoyaltyID|LoyaltyAccountID|MembershipID|HouseholdID|OperatorID|ApproverID"
)
_ELEMENT = re.compile(rb"(<(?:[\w.-]+:)?(?:" + _SECRET + rb")(?=[\s>])[^>]*>)[^<]*")
_CUSTOMER = re.compile(
    rb"(<((?:[\w.-]+:)?(?:Customer|ElectronicSignature|Address|Shipment))(?=[\s>])[^>]*(?<!/)>).*?(</\2\s*>|\Z)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"(\s(?:[\w.-]+:)?(?:OperatorName|Birthdate|CustomerName)\s*=\s*)(\"[^\"]*\"?|'[^']*'?)")

_FIRST, _LAST = 6, 4
_SHORTEST_PAN = 13
_GAPS = re.compile(r"[\s-]+")
_NUMBER = re.compile(r"[0-9*xX#•]{4,32}")


def redacted(raw: bytes) -> bytes:
    """The raw text for a quarantine: without card data and names, at most 4 KiB."""
    text = _CUSTOMER.sub(rb"\1\3", raw[: 16 * RAW_LIMIT])
    text = _ELEMENT.sub(rb"\1", text)
    return _ATTRIBUTE.sub(rb'\1""', text)[:RAW_LIMIT]


def masked_pan(told: str) -> str | None:
    """First 6 and last 4 digits at most, the last 4 of shorter numbers; None for what is no number."""
    number = _GAPS.sub("", told)
    if not _NUMBER.fullmatch(number):
        return None
    first = _FIRST if len(number) >= _SHORTEST_PAN else 0
    last = min(_LAST, max(0, len(number) - _LAST))
    hidden = "*" * (len(number) - first - last)
    return re.sub(r"[xX#•]", "*", number[:first] + hidden + number[len(number) - last :])
