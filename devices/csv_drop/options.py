"""Settings of a folder of CSV exports."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from devices.options import DropOptions

_PROBE = 'a,;\t|"\r\n0'


def _reads_ascii(name: str) -> str:
    """Detection, rows and delimiters are found by their ASCII characters."""
    try:
        fits = _PROBE.encode(name) == _PROBE.encode("ascii")
    except (LookupError, UnicodeError):
        fits = False
    if not fits:
        raise ValueError("must be a text encoding that contains ASCII, such as utf-8, gb18030, big5 or cp1252")
    return name


def _delimiter(text: str) -> str:
    known = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(known) != 1 or known.isalnum() or known in '"\r\n':
        raise ValueError("must be one character such as , or ; or |, or the word tab")
    return known


def _directives(text: str) -> str:
    if "%" not in text:
        raise ValueError("must be in strptime's directives, such as %Y-%m-%d %H:%M:%S or %m/%d/%Y %H:%M")
    return text


class Columns(BaseModel):
    """The header of each field; those left out are found under the names that tills use (see the README)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transaction_id: str | None = Field(None, description="header of the ticket or invoice number")
    at: str | None = Field(None, description="header of the time of sale")
    item_id: str | None = Field(None, description="header of the item's number")
    name: str | None = Field(None, description="header of the item's name")
    quantity: str | None = Field(None, description="header of the quantity")
    unit_price: str | None = Field(None, description="header of the price of one")
    extended_amount: str | None = Field(None, description="header of the line's amount; else quantity × unit price")
    customer: str | None = Field(None, description="header of the customer's or member's number")
    workstation: str | None = Field(None, description="header of the till's number")


NO_COLUMNS = Columns.model_validate({})


class Options(DropOptions):
    """A folder of CSV exports of a till: one row a line of a ticket."""

    encoding: Annotated[str, AfterValidator(_reads_ascii)] | None = Field(
        None, description="text encoding; by default UTF-8 with or without BOM, else GB18030, as the file shows"
    )
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = Field(
        None, description="character between cells, or tab; by default as the header shows"
    )
    at_format: Annotated[str, AfterValidator(_directives)] | None = Field(
        None, description="format of the times in strptime's directives; by default the common ones are tried"
    )
    columns: Columns = Field(NO_COLUMNS, description="which header holds which field")
    return_prefix: str | None = Field(None, min_length=1, description="a ticket number that begins so is a return")
