"""GS1 element strings and Digital Links, and UPC-E, by `biip`.

Imported with the first code that needs it: its tables take several megabytes, which a box that scans plain articles can
do without.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from biip import ParseConfig, ParseError
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_element_strings import GS1ElementString
from biip.gs1_messages import GS1Message
from biip.upc import Upc

from devices.scanner_serial.elements import NOTHING, Elements, Misread
from devices.scanner_serial.layout import check_holds

_CONFIG = ParseConfig(gs1_element_strings_verify_date=False)
_FNC1 = "\x1d"


def expanded(digits: str) -> str | None:
    """The GTIN of a UPC-E, None where it is none."""
    try:
        return Upc.parse(digits).as_gtin_14()
    except ParseError:
        return None


def link(uri: str) -> Elements:
    """What a Digital Link says; nothing where it is any other web address."""
    try:
        return _read(GS1DigitalLinkURI.parse(uri, config=_CONFIG).element_strings)
    except (ParseError, ValueError):  # urlsplit's ValueError too; any other web address is plain text
        return NOTHING


def elements(message: str) -> Elements:
    """What element strings say, FNC1 between them; `Misread`."""
    try:
        return _read(GS1Message.parse(message.strip(_FNC1), config=_CONFIG).element_strings)
    except (ParseError, ValueError) as error:
        raise Misread(str(error) if isinstance(error, Misread) else "GS1 data that cannot be read") from None


def _read(strings: list[GS1ElementString]) -> Elements:
    if not strings:
        raise Misread("GS1 data without any element")
    wrong = next(_wrong(strings), None)
    if wrong:
        raise Misread(f"GS1 data: wrong check digit in AI {wrong}")
    gtin = next((string.value for string in strings if string.ai.ai == "01"), None)
    values = {string.ai.ai: string.value for string in strings}
    return Elements(values, gtin, _decimal(strings, "310"), _decimal(strings, "392"))


def _wrong(strings: list[GS1ElementString]) -> Iterator[str]:
    """The application identifiers whose check digit is wrong."""
    for string in strings:
        number = string.ai.ai in ("01", "02", "03")
        if string.sscc_error or string.gln_error or (number and not check_holds(string.value)):
            yield string.ai.ai


def _decimal(strings: list[GS1ElementString], ai: str) -> Decimal | None:
    return next((string.decimal for string in strings if string.ai.ai.startswith(ai)), None)
