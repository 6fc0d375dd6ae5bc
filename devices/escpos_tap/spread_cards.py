"""Card numbers that a receipt spreads: over two lines, over columns, or in full-width digits.

What stands in one piece, or in the groupings of a card on one line, the agent's cleaning finds and cuts; here is only
what it cannot see. As there, the first 6 and last 4 digits stay.
"""

from __future__ import annotations

import re

_FULL_WIDTH = str.maketrans("０１２３４５６７８９", "0123456789")
_SPREAD = re.compile(  # digits, with at most one blank or hyphen between them, and one wrap or column break or more
    r"(?<![0-9.,:/-])[0-9](?:[ -]?[0-9])*(?:(?:[ \u3000-]*\n[ \u3000]*|[ \u3000]{2,24})[0-9](?:[ -]?[0-9])*)+"
    r"(?![0-9.,:/])"
)
_GROUPS = re.compile(r"[0-9]+")
_BRANDS = (  # how a brand's numbers begin, and how long they are
    (re.compile(r"4"), {13, 16, 19}),
    (re.compile(r"5[1-5]|2[2-7]|35|60|82"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"62|81"), {16, 17, 18, 19}),
    (re.compile(r"3[0689]"), {14, 16}),
    (re.compile(r"6011|64|65|220|9558"), {16, 18, 19}),
    (re.compile(r"50|5[6-8]|6304|6390|67"), {13, 14, 15, 16, 18, 19}),
)
_CARD_GROUPS = ((4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 4, 1), (4, 6, 5), (6, 13), (6, 10), (4, 15))
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_CARD_WORD = re.compile(
    r"(?i)card|\bpan\b|卡号|卡號|账号|帳號|银联|銀聯|银行卡|刷卡|visa|master|amex|unionpay|debit|credit"
)
_REACH = 24  # characters between such a word and the number
_ARTICLE_LENGTHS = (13, 14)  # of a GTIN, which stands beside a quantity or on the line before one


def without_spread_cards(text: str) -> str:
    """`text`, its length unchanged, with stars over the middle of card numbers that are spread."""
    view = text.translate(_FULL_WIDTH)
    hidden: set[int] = set()
    for found in _SPREAD.finditer(view):
        hidden |= _hidden(view, found.start(), found.end(), whole=False)
    if view != text:
        for found in re.finditer(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])", view):
            hidden |= _hidden(view, found.start(), found.end(), whole=True)
    return "".join("*" if place in hidden else char for place, char in enumerate(text)) if hidden else text


def without_digits(raw: bytes) -> bytes:
    """Nothing of what could not be read as text may hold a number that is worth hiding."""
    return re.sub(rb"[0-9]", b"*", re.sub(rb"\xa3[\xb0-\xb9]", b"\xa3\xaa", raw))


def _may_be_spread(view: str, part: list[tuple[int, str]]) -> bool:
    """Whether it is laid out as a card number is: in its groups, or wrapped within.

    An article's number is no part of one, unless a word for a card stands before it.
    """
    if len(part) == 1:
        return False
    first, last = part[0][0], part[-1][0]
    named = _CARD_WORD.search(view, max(0, first - _REACH), first) is not None
    wrapped = "\n" in view[first:last] and (named or not any(_is_article(run) for _, run in part))
    return wrapped or tuple(len(run) for _, run in part) in _CARD_GROUPS


def _is_article(digits: str) -> bool:
    numbers = [ord(digit) - 48 for digit in reversed(digits)]
    return len(digits) in _ARTICLE_LENGTHS and (sum(numbers[::2]) + 3 * sum(numbers[1::2])) % 10 == 0


def _is_card(digits: str) -> bool:
    return any(len(digits) in lengths and begins.match(digits) for begins, lengths in _BRANDS) and _luhn(digits)


def _hidden(view: str, start: int, end: int, *, whole: bool) -> set[int]:
    """Places of the digits to hide: of every run of groups that is a card number."""
    groups = [(found.start() + start, found[0]) for found in _GROUPS.finditer(view[start:end])]
    hidden: set[int] = set()
    for first in range(len(groups)):
        for last in range(first + 1, len(groups) + 1):
            part = groups[first:last]
            digits = "".join(run for _, run in part)
            if _is_card(digits) and (whole or _may_be_spread(view, part)):
                places = [place for at, run in part for place in range(at, at + len(run))]
                hidden |= set(places[6:-4])
    return hidden


def _luhn(digits: str) -> bool:
    numbers = [ord(digit) - 48 for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(_DOUBLED[number] for number in numbers[1::2])) % 10 == 0
