"""What a till's scanner says: articles, the scale's labels, GS1 data, payment codes, now and then a misread."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from biip.checksums import gs1_standard_check_digit

from devices.simulator import Message

_ITEMS = 500  # articles of the shop
_EAN, _FNC1 = "]E0", "\x1d"


def messages(rng: Random, at: datetime, step: timedelta) -> Iterator[Message]:
    """Endless scans, each a line with its AIM identifier."""
    articles = [checked(f"69{rng.randrange(10**10):010d}") for _ in range(_ITEMS)]
    while True:
        yield Message("serial", f"{_scan(rng, articles, at)}\r".encode())
        at += step


def checked(digits: str) -> str:
    """`digits` with their GS1 check digit."""
    return f"{digits}{gs1_standard_check_digit(digits)}"


def _scan(rng: Random, articles: list[str], at: datetime) -> str:
    kind = rng.random()
    article = rng.choice(articles)
    if kind < 0.06:
        return payment_code(rng)
    if kind < 0.12:
        return _EAN + checked(f"28{rng.randrange(10**5):05d}{rng.randrange(100, 10_000):05d}")
    if kind < 0.16:
        best_before = at + timedelta(days=rng.randrange(3, 300))
        return f"]C1010{article}17{best_before:%y%m%d}10L{rng.randrange(10**4):04d}"
    if kind < 0.18:
        return f"]d2010{article}21{rng.randrange(10**8):08d}{_FNC1}3103{rng.randrange(50, 3000):06d}"
    if kind < 0.19:
        wrong = (int(article[-1]) + 1) % 10
        return f"{_EAN}{article[:-1]}{wrong}"
    return _EAN + article


def payment_code(rng: Random) -> str:
    """A made-up payment code of one of the three schemes."""
    begin, length = rng.choice((("13", 18), ("28", 18), ("62", 19)))
    return begin + "".join(str(rng.randrange(10)) for _ in range(length - 2))
