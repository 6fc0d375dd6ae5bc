"""Names whose values are never kept: what would let somebody pay, sign in, or be known."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

ALWAYS = (
    *("auth_code", "authcode", "auth_no", "dynamic_id", "pay_code", "paycode"),  # customers' payment codes
    *("sign", "signature", "secret", "password", "passwd", "token", "access_token", "api_key", "apikey"),
    *("openid", "sub_openid", "unionid", "buyer_id", "buyer_user_id", "buyer_logon_id"),  # the payer's account
    *("cvv", "cvc", "pin", "track1", "track2", "expiry", "exp_month", "exp_year", "expiration_date"),
)


def is_private(name: str, more: Collection[str]) -> bool:
    """Whether values under that name are kept nowhere; `more`: names beside the usual ones."""
    return name.lower() in ALWAYS or name.lower() in (other.lower() for other in more)


def without_private(raw: bytes, more: tuple[str, ...]) -> bytes:
    """`raw`, JSON, XML or a form, perhaps cut off, with a star in the place of every such value."""
    lower = raw.lower()
    if not any(name in lower for name in _names(more)):
        return raw
    return _pattern(more).sub(lambda found: (found["json"] or found["xml"] or found["form"]) + b"*", raw)


@cache
def _names(more: tuple[str, ...]) -> tuple[bytes, ...]:
    """In lower case, the longest first."""
    return tuple(name.lower().encode() for name in sorted({*ALWAYS, *more}, key=len, reverse=True))


@cache
def _pattern(more: tuple[str, ...]) -> re.Pattern[bytes]:
    names = b"|".join(map(re.escape, _names(more)))
    text = rb'"(?:[^"\\]|\\.)*+"?'
    json = rb'(?P<json>"(?:%s)"\s*:\s*)(?:%s|\[[^\]]*+\]?|\{[^}]*+\}?|[^\s,}\]"\[{][^\s,}\]]*+)' % (names, text)
    xml = rb"(?P<xml><(?:[\w.-]+:)?(?:%s)(?:\s[^>]*)?>\s*)(?:<!\[CDATA\[(?:(?!\]\]>).)*+(?:\]\]>)?|[^<]++)" % names
    form = rb"(?P<form>(?:^|[&?\s;])(?:%s)=)[^&\s;]++" % names
    return re.compile(rb"(?is)%s|%s|%s" % (json, xml, form))
