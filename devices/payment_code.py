"""Customers' payment codes: what they look like, and taking them out of what is kept.

A payment code is a secret for about a minute: whoever holds it can charge the customer. Lengths and prefixes are the
ones that tills check: WeChat 18 digits from 10–15; Alipay 16 to 24 digits from 25–30; UnionPay QR 19 digits from 62.
"""

from __future__ import annotations

import re
from typing import Literal

Scheme = Literal["wechat", "alipay", "unionpay"]

_WECHAT = r"1[0-5][0-9]{16}"
_ALIPAY = r"(?:2[5-9]|30)[0-9]{14,22}"
_UNIONPAY = r"62[0-9]{17}"

_SCHEMES: tuple[tuple[Scheme, re.Pattern[str]], ...] = (
    ("wechat", re.compile(_WECHAT)),
    ("alipay", re.compile(_ALIPAY)),
    ("unionpay", re.compile(_UNIONPAY)),
)
_ANY = f"{_WECHAT}|{_ALIPAY}|{_UNIONPAY}"
_RUN_TOGETHER = re.compile(_ANY)
_ANYWHERE = re.compile(_ANY.encode())
_LONGEST = 24  # digits of a payment code
_BEGUN = re.compile(rb"(?:1[0-5]|2[5-9]|30|62)[0-9]{8,}")


def scheme_of(digits: str) -> Scheme | None:
    """Whose payment code `digits` would be, None when they are none."""
    return next((scheme for scheme, pattern in _SCHEMES if pattern.fullmatch(digits)), None)


def holds_code(digits: str) -> bool:
    """Whether `digits` would be a payment code, or several that ran together."""
    if len(digits) > _LONGEST:
        return _RUN_TOGETHER.search(digits) is not None
    return scheme_of(digits) is not None


def without_payment_codes(raw: bytes) -> bytes:
    """`raw` with stars over every stretch of digits that could be a payment code, its length unchanged."""
    return _ANYWHERE.sub(lambda found: b"*" * len(found[0]), raw)


def without_begun_codes(raw: bytes) -> bytes:
    """As `without_payment_codes`, but also over what could be the first part of one that was cut off."""
    return _BEGUN.sub(lambda found: b"*" * len(found[0]), raw)
