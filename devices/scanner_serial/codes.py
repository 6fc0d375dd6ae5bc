"""What one scanned code is: an article, a scale's label, GS1 data, a payment code, or plain text.

Sources: AIM symbology identifiers by ISO/IEC 15424, element strings and check digits by the GS1 General
Specifications, Digital Link by GS1's URI syntax; parsed by `biip` (`gs1`).

Without an identifier a code of 8, 12, 13 or 14 digits is an article before it is anything else: an EAN-13 such as
7032069804988 would also read as GS1 data. Such a code with a wrong check digit was misread.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from devices.payment_code import holds_code, scheme_of
from devices.scanner_serial.elements import NOTHING, Elements, Misread
from devices.scanner_serial.layout import Layout, Measure, check_holds
from records.types import PaymentCode, Scan, ScannerRole

_AIM = re.compile(r"\]([A-Za-z])([0-9A-Za-z])")
_FNC1 = "\x1d"
_COMPOSITE = "|]e0"
_ARTICLE_LENGTHS = {8: "ean-8", 12: "upc-a", 13: "ean-13", 14: "itf-14"}
_WITH_CHECK_DIGIT = re.compile(r"0[12]\d{14}|00\d{18}|41[0-7]\d{13}", re.ASCII)
_LONG_NUMBER = re.compile(r"[0-9]{16,}")

_GS1 = {"C1": "gs1-128", "e0": "gs1-databar", "e1": "gs1-composite", "e2": "gs1-composite"} | {
    "d2": "gs1-datamatrix",
    "Q3": "gs1-qr",
    "J1": "gs1-dotcode",
}
_ARTICLES = {"E0": "ean-13", "E3": "ean-13", "E4": "ean-8", "I1": "itf-14"}
_ADD_ONS = {"E1": "ean-2", "E2": "ean-5"}
_OTHERS = {
    "A": "code-39",
    "B": "telepen",
    "C": "code-128",
    "F": "codabar",
    "G": "code-93",
    "H": "code-11",
    "I": "itf",
    "J": "dotcode",
    "L": "pdf417",
    "M": "msi",
    "Q": "qr",
    "U": "maxicode",
    "d": "datamatrix",
    "z": "aztec",
}
_TWO_DIMENSIONAL = {"qr", "datamatrix", "aztec", "pdf417", "dotcode", "maxicode"}


MASKED = "payment-code-masked"


class Rules(NamedTuple):
    """What a chain has set."""

    role: ScannerRole
    payment_codes: bool
    scale_prefixes: tuple[str, ...]
    layouts: tuple[Layout, ...]


def interpret(text: str, rules: Rules) -> Scan | PaymentCode:
    """What `text`, a whole code as the scanner sent it, is; `Misread` where a check digit or structure is wrong."""
    aim = _AIM.match(text)
    if aim is None:
        return _unmarked(text, rules)
    letter, mark, body = aim[1], aim[1] + aim[2], text[aim.end() :]
    if mark in _GS1:
        return _gs1(body, _GS1[mark], rules)
    if mark in _ARTICLES:
        return _article(body, _ARTICLES[mark], rules)
    symbology = _ADD_ONS.get(mark) or _OTHERS.get(letter)
    return _free(body, symbology, rules)


def _unmarked(text: str, rules: Rules) -> Scan | PaymentCode:
    digits = text.isascii() and text.isdigit()
    if digits and len(text) in _ARTICLE_LENGTHS:
        return _article(text, _ARTICLE_LENGTHS[len(text)], rules)
    if _FNC1 in text:
        return _gs1(text, None, rules)
    if _WITH_CHECK_DIGIT.match(text) and scheme_of(text) is None:
        try:
            return _gs1(text, None, rules)
        except Misread:
            return _free(text, None, rules)
    return _free(text, None, rules)


def _article(body: str, symbology: str, rules: Rules) -> Scan:
    """EAN, UPC and ITF-14, with an add-on or a composite component behind it where there is one."""
    number, composite, component = body.partition(_COMPOSITE)
    if not (number.isascii() and number.isdigit()):
        raise Misread(f"{symbology}: not all digits")
    digits = number[:13] if symbology == "ean-13" else number
    found = _elements(component) if composite else NOTHING
    name, gtin = _gtin(digits, symbology)
    measure = _measure(digits, rules) or Measure(None, None, None)
    return Scan(
        body,
        name,
        measure.gtin or gtin,
        found.values,
        measure.weight_kg or found.weight_kg,
        measure.price or found.price,
        rules.role,
    )


def _gtin(digits: str, symbology: str) -> tuple[str, str]:
    """The symbology, told closer by the number itself, and the GTIN as 14 digits."""
    if len(digits) in _ARTICLE_LENGTHS and check_holds(digits):
        name = "upc-a" if symbology == "ean-13" and (len(digits) == 12 or digits[0] == "0") else symbology
        return name, digits.zfill(14)
    if len(digits) == 8 and digits[0] in "01":
        from devices.scanner_serial.gs1 import expanded

        gtin = expanded(digits)
        if gtin:
            return "upc-e", gtin  # else it is a misread EAN-8
    wrong = "check digit" if len(digits) in _ARTICLE_LENGTHS else "number of digits"
    raise Misread(f"{symbology}: wrong {wrong}")


def _gs1(body: str, symbology: str | None, rules: Rules) -> Scan:
    found = _elements(body.replace(_COMPOSITE, _FNC1))
    return Scan(body, symbology, found.gtin, found.values, found.weight_kg, found.price, rules.role)


def _free(body: str, symbology: str | None, rules: Rules) -> Scan | PaymentCode:
    """Plain data: a payment code, a scale's label, a Digital Link, or text as it stands."""
    number = body.isascii() and body.isdigit()
    measure = _measure(body, rules) if number and symbology not in _TWO_DIMENSIONAL else None
    if measure:
        return Scan(body, symbology, measure.gtin, {}, measure.weight_kg, measure.price, rules.role)
    scheme = scheme_of(body) if number and _reads_payments(rules) else None
    if scheme:
        return PaymentCode(scheme)
    if number and len(body) == 14 and symbology == "itf" and check_holds(body):
        return Scan(body, "itf-14", body, role=rules.role)
    if body[:8].lower().startswith(("http://", "https://")):
        found = _link(body)
        return Scan(body, symbology, found.gtin, found.values, found.weight_kg, found.price, rules.role)
    hidden = _LONG_NUMBER.sub(lambda found: _hidden(found[0], rules), body)
    return Scan(hidden, symbology, role=rules.role, flags=() if hidden == body else (MASKED,))


def _hidden(digits: str, rules: Rules) -> str:
    return "*" * len(digits) if _reads_payments(rules) and holds_code(digits) else digits


def _reads_payments(rules: Rules) -> bool:
    """A till's scanner reads payment codes; one in the store room reads numbers that look the same."""
    return rules.payment_codes and rules.role == "sale"


def _measure(digits: str, rules: Rules) -> Measure | None:
    if not digits.startswith(rules.scale_prefixes):
        return None
    return next((layout.read(digits) for layout in rules.layouts if layout.holds(digits)), None)


def _elements(message: str) -> Elements:
    from devices.scanner_serial.gs1 import elements

    return elements(message)


def _link(uri: str) -> Elements:
    from devices.scanner_serial.gs1 import link

    return link(uri)
