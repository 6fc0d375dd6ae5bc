"""Settings of `escpos-tap`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from devices.escpos_tap.charset import ChineseMode, known_encoding
from devices.escpos_tap.codepages import Make
from devices.escpos_tap.template import load
from devices.options import SerialOptions

LISTEN, RELAY = "listen://", "relay://"


def _place(text: str) -> str:
    """A port, or one of our two schemes with what it needs."""
    if text.startswith(LISTEN):
        address, _, port = text.removeprefix(LISTEN).rpartition(":")
        if not address or not port.isdecimal() or int(port) > 65535:
            raise ValueError("must be listen://ADDRESS:PORT, such as listen://0.0.0.0:9100")
    if text.startswith(RELAY) and not text.removeprefix(RELAY).startswith("/"):
        raise ValueError("must be relay:// and the absolute path of the relay's socket")
    return text


def _loads(name: str) -> str:
    load(name)
    return name


class Options(SerialOptions):
    """The line between a till and its receipt printer."""

    port: Annotated[str, AfterValidator(_place)] = Field(
        description="serial port by id that listens in, listen://0.0.0.0:9100 to be the printer, or relay:///run/… to "
        "read the relay's copy"
    )
    printer: Make = Field("epson", description="make whose numbers of code pages the till uses")
    chinese_mode: ChineseMode = Field(
        "on", description="on: at start and after ESC @; by-command: from FS & to FS .; off: never"
    )
    encoding: Annotated[str, AfterValidator(known_encoding)] | None = Field(
        None,
        description="instead of gb18030 (big5, shift-jis, euc-kr, utf-8), or instead of every code page (cp1252 …)",
    )
    template: Annotated[str, AfterValidator(_loads)] | None = Field(
        None, description="receipt template: the name of a shipped one, or a file's path"
    )
    gap_s: float = Field(3, ge=0.1, le=60, description="seconds of silence that end a receipt without a cut")
    copies_s: float = Field(
        300, ge=0, le=86_400, description="seconds in which the same receipt again is a copy of the first; 0: never"
    )
    new_receipt: Literal["cut-or-reset", "cut"] = Field(
        "cut-or-reset", description="cut: for tills that send ESC @ in the middle of a receipt"
    )
