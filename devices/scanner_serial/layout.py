"""Codes that a scale prints: which of their digits mean what, in a notation that a chain sets.

One letter a digit, blanks as you like, in the order of the code:

    F  flag: the fixed beginning       I N  item number       W  weight in grams
    E P  price in cents (fen)          V  value               C  check digit, GS1 modulo 10, last

`FF IIIII VVVVV C` needs to be told what V is: `FF IIIII VVVVV C:price` (as if E) or `:weight` (as if W); price where
nothing is said. `F WWWWWW NNNNN EEEEE C` is the 18-digit code with both. Without a C nothing is checked.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from devices.check_digit import check_digit

_FORM = re.compile(r"F+(?:I+|N+|W+|E+|P+|V+)+C?")
_KINDS = {"price": "E", "weight": "W"}
_LONGEST = 24


class LayoutError(ValueError):
    """A layout's text cannot be read; says why."""


class Measure(NamedTuple):
    """What a scale's code says; `gtin`: 14 digits with the measure zeroed, as tills keep the item, or None."""

    weight_kg: Decimal | None
    price: Decimal | None
    gtin: str | None


class Layout(NamedTuple):
    """`letters`: one a digit, out of F, I, W, E, C."""

    letters: str

    @property
    def length(self) -> int:
        return len(self.letters)

    @property
    def checked(self) -> bool:
        return self.letters.endswith("C")

    def holds(self, digits: str) -> bool:
        """Whether `digits` have the layout's length and a right check digit."""
        return len(digits) == self.length and (not self.checked or check_holds(digits))

    def read(self, digits: str) -> Measure:
        """What `digits`, which hold, say."""
        grams, cents = self._field("W", digits), self._field("E", digits)
        return Measure(
            Decimal(grams).scaleb(-3) if grams else None,
            Decimal(cents).scaleb(-2) if cents else None,
            self._item(digits) if self.length == 13 and self.checked else None,
        )

    def _field(self, letter: str, digits: str) -> str:
        return "".join(digit for digit, meant in zip(digits, self.letters, strict=True) if meant == letter)

    def _item(self, digits: str) -> str:
        zeroed = "".join("0" if meant in "WE" else digit for digit, meant in zip(digits, self.letters, strict=True))
        return f"0{zeroed[:-1]}{check_digit(zeroed[:-1])}"


def parse_layout(text: str) -> Layout:
    """The layout that `text` describes, or `LayoutError`."""
    form, _, kind = text.partition(":")
    if kind and kind.strip() not in _KINDS:
        raise LayoutError(f"{text!r}: after the colon comes price or weight")
    letters = "".join(form.split()).upper()
    if not _FORM.fullmatch(letters) or len(letters) > _LONGEST:
        raise LayoutError(f"{text!r} must be letters like FF IIIII EEEEE C: F first, C last, I N W E P V between")
    letters = letters.replace("V", _KINDS[kind.strip()] if kind else "E").replace("N", "I").replace("P", "E")
    return Layout(letters)


def check_holds(digits: str) -> bool:
    """Whether the last digit is the right one by GS1's modulo 10."""
    return check_digit(digits[:-1]) == int(digits[-1])
