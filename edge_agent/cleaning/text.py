"""Secrets in free text: card numbers, and customers' payment codes."""

from __future__ import annotations

import re

from devices.payment_code import scheme_of
from edge_agent.cleaning.cards import is_card, mask_cards, named_otherwise

_SHORTEST = 13  # digits of the shortest card number; a payment code has 16
_MANY_DIGITS = re.compile(r"(?:[0-9][^0-9]*){12}[0-9]")
_CODE = re.compile(r"(?<![0-9])[0-9]{16,24}(?![0-9])")


def mask(text: str) -> str:
    """`text` without card numbers and payment codes; the same object where it holds none."""
    if len(text) < _SHORTEST or (_MANY_DIGITS.search(text) is None and "xp" not in text):  # an expiry may stand alone
        return text
    masked = _CODE.sub(_code, mask_cards(text))  # cards first: what stands beside one tells that it is one
    return masked if masked != text else text


def mask_bytes(raw: bytes) -> bytes:
    """`raw` without them, whatever its encoding: digits are ASCII in all that devices use, wide spaces are not."""
    as_utf8 = mask(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return mask(as_utf8.decode("latin-1")).encode("latin-1")


def _code(found: re.Match[str]) -> str:
    digits = found[0]
    if scheme_of(digits) is None or is_card(digits) or named_otherwise(found.string, found.start()):
        return digits  # a card number keeps its ends, which mask_cards sees to
    return "*" * len(digits)
