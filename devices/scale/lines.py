"""What one line of text says, as scales of many makers print it.

    ST,GS,+  1.234kg      ST stable, US moving, OL overload; GS gross, NT net, TR tare      (A&D, CAS, T-Scale)
    ST,GS    20.7g        ST,GS,   245.6 g        ST,GS,<id><lamps>,   1.234 kg             (variants)
    S S      100.00 g     S stable, D moving, I busy, + and - out of range                  (Mettler SICS)
         N       0.3749 g   no unit while moving                                            (Sartorius)
    -  1.640 kg   ? N     ? moving                                                          (Ohaus)
    +007.12/3 G S         the digit behind the slash is one more decimal; S stable, U moving
    =00004.8(kg)          sent without end, nothing says whether it is stable: it has to settle        (Yaohua XK3118)
    1.234 kg              nothing says whether it is stable: with a unit it is taken to be, a bare number has to settle

Sources: manuals of the makers named, lines that users published.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

State = Literal["stable", "moving", "unsaid"]
_KG = {
    "kg": Decimal(1),
    "kgs": Decimal(1),
    "k": Decimal(1),
    "g": Decimal("0.001"),
    "mg": Decimal("0.000001"),
    "ct": Decimal("0.0002"),
    "t": Decimal(1000),
    "lb": Decimal("0.45359237"),
    "lbs": Decimal("0.45359237"),
    "oz": Decimal("0.028349523125"),
    "jin": Decimal("0.5"),
}
_PIECES = {"pcs", "pc", "p", "%"}
_UNITS = "|".join(sorted((*_KG, *_PIECES), key=len, reverse=True))
_FINEST = Decimal("0.0000001")  # a tenth of a milligram
_VALUE = (
    r"(?P<sign>[+-]?) *(?P<number>[0-9]{1,9}(?:[.,][0-9]{1,6})?|[.,][0-9]{1,6})(?:/(?P<digit>[0-9]))?"
    rf" *(?P<unit>(?i:{_UNITS})(?![A-Za-z]))?"
)
_MARKED = re.compile(r"(?P<mark>ST|US|SD|OL|UL|QT) *,? *(?P<kind>GS|NT|TR|G|N|T)?,? *(?:..,)? *(?P<rest>.*)", re.DOTALL)
_SICS = re.compile(r"S +(?P<mark>[SDI+-])(?: +(?P<rest>.*))?")
_PLAIN = re.compile(
    rf"(?P<kind>(?:NET|GROSS|TARE|[GNT])\b)?[ :]*{_VALUE} *(?P<moving>\?)? *(?P<tail>[GNTSUMDZ](?: ?[GNTSUMDZ])?)?"
)
_BRACKETED = re.compile(r"=(?P<sign>[+-]?) *(?P<number>[0-9]{1,9}(?:\.[0-9]{1,6})?)\((?P<unit>kg|g|lb|t)\)")
_ONLY_VALUE = re.compile(rf"{_VALUE} *[A-Z]?")


class Said(NamedTuple):
    """kg: None where the line is a scale's and says no weight of goods (overload, tare, pieces).

    whole: it says in itself that it is complete, so that it cannot be the end of a longer line
    """

    kg: Decimal | None
    state: State
    whole: bool


_NOTHING = Said(None, "stable", whole=True)


def read(text: str, unit: str) -> Said | None:
    """What a line says; None where it is no scale's. unit: of a number without one."""
    text = text.strip(" \t\0")
    if found := _MARKED.fullmatch(text):
        return _marked(found, unit)
    if found := _SICS.fullmatch(text):
        return _sics(found, unit)
    if found := _BRACKETED.fullmatch(text):
        return Said(kilograms(found["sign"], found["number"], found["unit"]), "unsaid", whole=True)
    found = _PLAIN.fullmatch(text)
    return _plain(found, unit) if found else None


def kilograms(sign: str, number: str, unit: str) -> Decimal | None:
    """The weight in kg; None for a unit that is none of weight."""
    factor = _KG.get(unit.lower())
    if factor is None:
        return None
    kg = Decimal(number.replace(",", ".")) * factor
    if -kg.as_tuple().exponent > 7:  # type: ignore[operator] # finite
        kg = kg.quantize(_FINEST)
    return -kg if sign == "-" else kg


def _marked(found: re.Match[str], unit: str) -> Said | None:
    if found["mark"] in ("OL", "UL", "QT") or found["kind"] in ("TR", "T"):
        return _NOTHING
    value = _ONLY_VALUE.fullmatch(found["rest"])
    if value is None:
        return None
    return Said(_kg(value, unit), "moving" if found["mark"] in ("US", "SD") else "stable", whole=True)


def _sics(found: re.Match[str], unit: str) -> Said | None:
    if found["mark"] not in ("S", "D"):
        return _NOTHING
    value = _ONLY_VALUE.fullmatch(found["rest"] or "")
    return Said(_kg(value, unit), "stable" if found["mark"] == "S" else "moving", whole=True) if value else None


def _plain(found: re.Match[str], unit: str) -> Said:
    tail = found["tail"] or ""
    if "T" in tail or (found["kind"] or "").startswith("T"):
        return _NOTHING
    return Said(_kg(found, unit), _state(found, tail), whole=False)


def _state(found: re.Match[str], tail: str) -> State:
    moving = found["moving"] or set(tail) & set("UMD")
    if moving or (found["kind"] and not found["unit"]):
        return "moving"
    return "stable" if found["unit"] or "S" in tail else "unsaid"


def _kg(value: re.Match[str], unit: str) -> Decimal | None:
    number = value["number"]
    if value["digit"]:
        number = f"{number}{value['digit']}" if re.search("[.,]", number) else f"{number}.{value['digit']}"
    return kilograms(value["sign"], number, value["unit"] or unit)
