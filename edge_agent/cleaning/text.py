"""Secrets in free text: card numbers, and customers' payment codes."""

from __future__ import annotations

import re

from devices.payment_code import scheme_of
from edge_agent.cleaning.cards import is_card, mask_cards, named_otherwise

_SHORTEST = 13  # digits of the shortest card number; a payment code has 16
_MANY_DIGITS = re.compile(r"(?:[0-9][^0-9]*){12}[0-9]")
_ENCODINGS = ("utf-8", "gbk", "latin-1")
_STAR = ord("*")
_CODE = re.compile(r"(?<![0-9])[0-9]{16,24}(?![0-9])")


def mask(text: str) -> str:
    """`text` without card numbers and payment codes; the same object where it holds none."""
    if len(text) < _SHORTEST or (_MANY_DIGITS.search(text) is None and "xp" not in text):  # an expiry may stand alone
        return text
    masked = _CODE.sub(_code, mask_cards(text))  # cards first: what stands beside one tells that it is one
    return masked if masked != text else text


def mask_bytes(raw: bytes) -> bytes:
    """`raw` without them, whatever its encoding: digits are ASCII in all that devices use.

    Wide spaces between digits and words for a card are not: they are looked for as UTF-8 and as GBK say them, each in
    the bytes as they came, since half a number that one of them finds would hide the whole from the next.
    """
    found = [_masked_as(encoding, raw) for encoding in _ENCODINGS]
    if all(masked == raw for masked in found):
        return raw
    if all(len(masked) == len(raw) for masked in found):
        return bytes(map(_starred, *found))
    for encoding in _ENCODINGS:  # track data, which is longer than what is left of it
        raw = _masked_as(encoding, raw)
    return raw


def _masked_as(encoding: str, raw: bytes) -> bytes:
    text = raw.decode(encoding, "surrogateescape")
    masked = mask(text)
    if masked is text or text.encode(encoding, "surrogateescape") != raw:
        return raw  # what does not come back as it was cannot be changed in one place alone
    return masked.encode(encoding, "surrogateescape")


def _starred(*ways: int) -> int:
    return _STAR if _STAR in ways else ways[0]


def _code(found: re.Match[str]) -> str:
    digits = found[0]
    if scheme_of(digits) is None or is_card(digits) or named_otherwise(found.string, found.start()):
        return digits  # a card number keeps its ends, which mask_cards sees to
    return "*" * len(digits)
