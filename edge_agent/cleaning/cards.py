"""Card numbers in text: found by brand, length and Luhn's sum, cut to the first 6 and last 4 digits (PCI SSC FAQ 1091).

A number is taken for a card number when a brand issues numbers of that beginning and length and its Luhn sum is
right. Two things decide the doubtful rest:

- a number in one piece that is also a valid GTIN (13 or 14 digits) is one, unless a word for a card stands before it
- a number that a word for a reference, an order or a parcel introduces is no card, unless a word for a card does too

Separated numbers count only in the groupings that are printed on cards (4-4-4-4, 4-6-5, …) with one separator
throughout, or digit by digit: columns of amounts on a receipt must stay. After a word for a card any grouping counts.
Track data and an expiry date beside a card number go too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_SEPARATOR = "[ .\\-_\u00a0\u3000]"
_PLAIN = re.compile(r"(?<![0-9])[0-9]{13,19}(?![0-9])")
_GROUPED = re.compile(
    rf"(?<![0-9])(?:[0-9]{{4}}(?P<s>{_SEPARATOR})[0-9]{{4}}(?P=s)[0-9]{{4}}(?P=s)[0-9]{{1,7}}(?:(?P=s)[0-9]{{1,3}})?"
    rf"|[0-9]{{4}}(?P<t>{_SEPARATOR})[0-9]{{6}}(?P=t)[0-9]{{4,5}}"
    rf"|[0-9]{{6}}{_SEPARATOR}[0-9]{{7,13}}"
    rf"|[0-9](?P<u>{_SEPARATOR})[0-9](?:(?P=u)[0-9]){{11,17}})(?![0-9])"
)
_LOOSE = re.compile(rf"(?<![0-9])[0-9](?:{_SEPARATOR}{{0,2}}[0-9]){{12,18}}(?![0-9])")
_TRACK = re.compile(
    r"%?[Bb](?P<one>[0-9]{12,19})\^[^^\r\n]{0,40}\^[0-9=]{0,40}\??"  # ISO 7813 track 1: PAN ^ name ^ expiry …
    r"|;?(?<![0-9])(?P<two>[0-9]{12,19})[=D](?=[0-9]{4})[0-9]{4,40}\??"  # track 2: PAN = expiry, service code, …
)
_EXPIRY = re.compile(
    r"(?<![0-9])(?:0[1-9]|1[0-2])\s?[/\-]\s?(?:20)?[0-9]{2}(?![0-9])|(?<![0-9])20[0-9]{2}[-/](?:0[1-9]|1[0-2])(?![-/0-9])"
)
_EXPIRY_NAMED = re.compile(r"(?i)((?:ExpirationDate|ExpiryDate|card_?exp\w*)[^0-9]{0,6})([0-9][0-9/\-]{2,6})")
_EXPIRY_REACH = 40
_CONTEXT_REACH = 24
_CARD_WORD = re.compile(
    r"(?i)card(?!igan|board|io)|\bpan\b|AccountNumber|卡号|卡號|账号|帳號|银联|銀聯|银行卡|刷卡|visa|master|amex|unionpay|debit|credit"
)
_OTHER_WORD = re.compile(  # directly before the number, with what may stand between: DiscountReference>, "order_id": "
    r"(?i)(?:reference|\bref(?=_|no|nr|id|num|[^a-z])"  # no refund, and nothing that is refused
    r"|order|invoice|voucher|coupon|serial|sscc|parcel|tracking|trace|barcode"
    r"|单号|單號|订单|訂單|流水|编号|編號|参考|參考|运单|運單|条码|條碼|凭证|憑證)"
    r"[a-z_]*(?:\s?(?:no|nr|id|number|号|號))?[^0-9a-z]{0,6}$"
)

# (first, last) leading digits, compared at their own length, and the lengths a brand issues
_BRANDS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("4", "4", frozenset({13, 16, 19})),  # Visa
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),
    ("62", "62", frozenset({16, 17, 18, 19})),  # UnionPay
    ("81", "81", frozenset({16, 17, 18, 19})),
    ("9558", "9558", frozenset({16, 18, 19})),  # ICBC, older than UnionPay's 62
    ("3528", "3589", frozenset({16})),  # JCB
    ("1800", "1800", frozenset({15})),
    ("2131", "2131", frozenset({15})),
    ("300", "305", frozenset({14, 16})),  # Diners
    ("3095", "3095", frozenset({14, 16})),
    ("36", "36", frozenset({14, 16})),
    ("38", "39", frozenset({14, 16})),
    ("6011", "6011", frozenset({16, 19})),  # Discover
    ("644", "649", frozenset({16, 19})),
    ("65", "65", frozenset({16, 19})),
    ("60", "60", frozenset({16})),  # RuPay
    ("82", "82", frozenset({16})),
    ("2200", "2204", frozenset({16, 19})),  # Mir
    ("50", "50", frozenset({13, 14, 15, 16, 18, 19})),  # Maestro
    ("56", "58", frozenset({13, 14, 15, 16, 18, 19})),
    ("6304", "6304", frozenset({13, 14, 15, 16, 18, 19})),
    ("6390", "6390", frozenset({13, 14, 15, 16, 18, 19})),
    ("6759", "6763", frozenset({13, 14, 15, 16, 18, 19})),
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn_holds(digits: str) -> bool:
    """Whether the last digit is the right one by ISO/IEC 7812-1 annex B."""
    numbers = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[number] for number in numbers[1::2])) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether a brand issues such numbers and the check digit is right."""
    length = len(digits)
    return any(
        length in lengths and first <= digits[: len(first)] <= last for first, last, lengths in _BRANDS
    ) and luhn_holds(digits)


@lru_cache(maxsize=4096)  # a store sells the same few thousand items all day
def gtin_holds(digits: str) -> bool:
    """Whether `digits` are a GTIN of 8, 12, 13 or 14 digits with the right check digit."""
    if len(digits) not in (8, 12, 13, 14) or not digits.isascii() or not digits.isdigit():
        return False
    numbers = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(numbers[::2]) + 3 * sum(numbers[1::2])) % 10 == 0


def mask_cards(text: str) -> str:
    """`text` with every card number cut to its first 6 and last 4 digits, other digits of it starred."""
    text = _TRACK.sub(_masked_track, text)
    for start, end in _found(text):
        text = text[:start] + masked(text[start:end]) + _without_expiry(text[end:])
    return _EXPIRY_NAMED.sub(lambda found: found[1] + "*" * len(found[2]), text)


def masked(number: str) -> str:
    """`number`, separators kept, with stars over all digits but the first 6 and the last 4."""
    places = [place for place, char in enumerate(number) if "0" <= char <= "9"]
    hidden = set(places[6:-4])
    return "".join("*" if place in hidden else char for place, char in enumerate(number))


def named_otherwise(text: str, start: int) -> bool:
    """Whether the words before `start` say that what follows is a reference or an order, and none says card."""
    before = text[max(0, start - _CONTEXT_REACH) : start]
    return _OTHER_WORD.search(before) is not None and _CARD_WORD.search(before) is None


def _masked_track(found: re.Match[str]) -> str:
    return masked(found["one"] or found["two"]) + "=****"


def _without_expiry(rest: str) -> str:
    near = _EXPIRY.sub(lambda found: re.sub("[0-9]", "*", found[0]), rest[:_EXPIRY_REACH], count=1)
    return near + rest[_EXPIRY_REACH:]


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Spans of card numbers; masking one, which keeps its length, does not move the next."""
    patterns = (_PLAIN, _GROUPED, _LOOSE) if _CARD_WORD.search(text) else (_PLAIN, _GROUPED)
    place = 0
    while place < len(text):
        spans = [span for pattern in patterns if (span := _next(pattern, text, place))]
        if not spans:
            return
        start, end = min(spans)
        yield start, end
        place = end


def _next(pattern: re.Pattern[str], text: str, place: int) -> tuple[int, int] | None:
    while found := pattern.search(text, place):
        end = _card_end(pattern, text, found.start(), found.end())
        if end is not None:
            return found.start(), end
        place = _next_group(text, found.start())
    return None


def _next_group(text: str, start: int) -> int:
    while start < len(text) and "0" <= text[start] <= "9":
        start += 1
    return start


def _card_end(pattern: re.Pattern[str], text: str, start: int, end: int) -> int | None:
    """Where the card number that begins at `start` ends: at `end`, or at an earlier end of a group."""
    said_card = _CARD_WORD.search(text, max(0, start - _CONTEXT_REACH), start) is not None
    if pattern is _LOOSE and not said_card:
        return None
    if named_otherwise(text, start):
        return None
    ends = [end] + [
        place for place in range(end - 1, start + 12, -1) if not text[place].isdigit() and text[place - 1].isdigit()
    ]
    for stop in ends:
        digits = "".join(char for char in text[start:stop] if "0" <= char <= "9")
        article = pattern is _PLAIN and not said_card and gtin_holds(digits)
        if is_card(digits) and not article:
            return stop
    return None
