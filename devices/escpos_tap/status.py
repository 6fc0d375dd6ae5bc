"""What a printer answers: online, cover closed, paper enough, drawer shut.

Fixed bits tell the answers apart: 0xx1xx10 of `DLE EOT`, 0xx1xx00 begins the four bytes of `GS a`, 0xx0xxxx the rest
(Epson TM-U220; Citizen's and Epson's manuals agree).
"""

from __future__ import annotations

from devices.escpos_tap.stream import Command

ASKING = {"DLE EOT", "GS r", "GS a", "GS I", "GS (", "ESC v", "ESC u"}

_REAL_TIME = b"\x12"
_GOOD = b"\x00"
_UNASKED = b"\x10\x00\x00\x00"
_MODEL, _KIND, _ROM = b"\x20", b"\x02", b"\x01"
_NAMES = {65: b"1.0", 66: b"store-edge", 67: b"receipt printer", 68: b"0", 69: b"GB18030"}


def answer(command: Command) -> bytes:
    """What the printer sends back, perhaps nothing."""
    name, args = command
    match name:
        case "DLE EOT":
            return _REAL_TIME
        case "GS r" | "ESC v" | "ESC u":
            return _GOOD
        case "GS a":
            return _UNASKED if args[0] else b""
        case "GS I":
            return _identity(args[0])
        case "GS (" if args[:1] == b"H" and args[3:5] in (b"00", b"\x30\x30") and len(args) >= 9:
            return b"\x37\x22" + args[5:9] + b"\x00"  # the mark that the till set has been printed
        case _:
            return b""


def _identity(number: int) -> bytes:
    if number in _NAMES:
        return b"\x5f" + _NAMES[number] + b"\x00"
    return {1: _MODEL, 49: _MODEL, 2: _KIND, 50: _KIND, 3: _ROM, 51: _ROM}.get(number, b"")
