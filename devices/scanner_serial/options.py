"""Settings of `scanner-serial`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from devices.options import Options as AnyOptions
from devices.options import SerialOptions
from devices.scanner_serial.layout import Layout, LayoutError, parse_layout
from records.types import ScannerRole


def _list(value: object) -> object:
    """A comma-separated text, or YAML's bare numbers, as the list that is meant."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, int):
        return [str(value)]
    if isinstance(value, list | tuple):
        return [str(part) if isinstance(part, int) else part for part in value]
    return value


Prefix = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]


class ScannerOptions(AnyOptions):
    """A barcode scanner, however it is wired."""

    role: ScannerRole = Field("sale", description="what its scans are for")
    suffix: Literal["auto", "cr", "lf", "tab", "none"] = Field(
        "auto", description="what it sends after a code; auto: CR or LF; none: a code ends with a silence of gap_s"
    )
    gap_s: float = Field(
        0.3, ge=0.02, le=10, description="seconds of silence after which a code is complete or cut off"
    )
    min_length: int = Field(3, ge=1, le=20, description="characters below which a line is noise and no code")
    window_s: float = Field(
        0,
        ge=0,
        le=60,
        description="for presentation scanners: seconds in which the same code again is one scan; 0: none",
    )
    payment_codes: bool = Field(True, description="take customers' payment codes for what they are and drop them")
    scale_prefixes: Annotated[tuple[Prefix, ...], BeforeValidator(_list)] = Field(
        (), description="how the codes of the chain's scales begin, e.g. 21, 28"
    )
    scale_layout: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        ("FF IIIII EEEEE C", "F WWWWWW NNNNN EEEEE C"),
        description="their digits: F flag, I N item, W grams, E P cents, V as :weight or :price says, C check",
    )

    @property
    def layouts(self) -> tuple[Layout, ...]:
        return tuple(parse_layout(text) for text in self.scale_layout)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            lengths = [layout.length for layout in self.layouts]
        except LayoutError as error:
            raise ValueError(f"scale_layout: {error}") from error
        if len(set(lengths)) < len(lengths):
            raise ValueError("scale_layout: two layouts of one length; leave one")
        return self


class Options(SerialOptions, ScannerOptions):
    """A barcode scanner on a serial line."""
