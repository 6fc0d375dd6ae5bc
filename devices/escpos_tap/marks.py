"""Barcodes in a receipt's text: their data was printed too, so it stands there as a line such as `[CODE39 0003]`."""

from __future__ import annotations

_LINEAR = {
    65: "UPC-A",
    66: "UPC-E",
    67: "EAN13",
    68: "EAN8",
    69: "CODE39",
    70: "ITF",
    71: "CODABAR",
    72: "CODE93",
    73: "CODE128",
    74: "GS1-128",
    75: "GS1-DATABAR",
    76: "GS1-DATABAR",
    77: "GS1-DATABAR",
    78: "GS1-DATABAR",
    79: "CODE128",
}
_SQUARE = {48: "PDF417", 49: "QR", 50: "MAXICODE", 51: "GS1-DATABAR", 52: "COMPOSITE", 53: "AZTEC", 54: "DATAMATRIX"}
_STORE, _PRINT = 80, 81
_LONGEST = 512  # characters of a mark


def linear(args: bytes) -> str:
    """The mark of a `GS k`."""
    kind, data = (args[0] + 65, args[1:].rstrip(b"\0")) if args[0] <= 6 else (args[0], args[2:])
    return _mark(_LINEAR[kind], _code128(data) if kind == 73 else _text(data))


class SquareCode:
    """`GS ( k` stores a code's data with one function and prints it with another."""

    def __init__(self) -> None:
        self._stored: dict[int, str] = {}

    def command(self, args: bytes) -> str | None:
        """The mark, when the command prints one that was stored."""
        if len(args) < 5 or args[3] not in _SQUARE:
            return None
        kind, function = args[3], args[4]
        if function == _STORE:
            self._stored[kind] = _text(args[6:])
        return _mark(_SQUARE[kind], self._stored[kind]) if function == _PRINT and kind in self._stored else None


def two_dimensional(args: bytes) -> str:
    """The mark of an `ESC Z`."""
    return _mark("QR", _text(args[5:]))


def _mark(kind: str, text: str) -> str:
    return f"[{kind} {text[:_LONGEST]}]"


def _code128(data: bytes) -> str:
    """Without the marks of its character sets; in set C a byte is two digits."""
    text, in_c, place = [], False, 0
    while place < len(data):
        if data[place] == 0x7B and place + 1 < len(data):
            in_c = data[place + 1] == 0x43 if data[place + 1] in b"ABC" else in_c
            text.append("{" if data[place + 1] == 0x7B else "")
            place += 2
            continue
        byte = data[place]
        text.append(f"{byte:02}" if in_c and byte < 100 else chr(byte) if 0x20 <= byte < 0x7F else "")
        place += 1
    return "".join(text)


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("gb18030", "replace")
    return "".join(char if char.isprintable() else " " for char in text).strip()
