"""The check digit of GS1's numbers, modulo 10 (GS1 General Specifications, section 7.9.1)."""

from __future__ import annotations


def check_digit(digits: str) -> int:
    """What follows these ASCII digits: weighted 3 and 1 by turns from the right, they fill up to a multiple of ten."""
    weighted = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(digits)))
    return -weighted % 10
