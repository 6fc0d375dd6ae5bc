"""How long each ESC/POS command is: nothing can be read of a stream in which one length is wrong.

Lengths count the bytes behind the introducer and its letter. Sources: Epson's ESC/POS command reference; manuals of
Citizen, Star (in its ESC/POS mode), SPRT and Gprinter; what fire panels and tills were seen to send.
"""

from __future__ import annotations

from collections.abc import Callable

DLE, ESC, FS, GS = 0x10, 0x1B, 0x1C, 0x1D
INTRODUCERS = {DLE: "DLE", ESC: "ESC", FS: "FS", GS: "GS"}
_DLE_LETTERS = {0x04: "EOT", 0x05: "ENQ", 0x14: "DC4"}
_CONTROLS = {0x0C: "FF", 0x20: "SP"}

MORE = -1
"""More bytes are needed to tell the length."""

UNKNOWN = -2
"""No command that we know: its letter is dropped, what follows is read on."""

_LARGEST = 32 * 1024 * 1024  # of an image: beyond that the length itself was damaged
_WIDEST_STRIP = 3  # high byte of a strip's width; no head has 1,024 dots
_LONGEST_CODE = 255  # bytes of a barcode that a NUL ends

Rule = Callable[[bytes], int]


def name_of(introducer: int, letter: int) -> str:
    """As manuals write it: `ESC @`, `GS V`, `DLE EOT`."""
    told = _DLE_LETTERS.get(letter) if introducer == DLE else _CONTROLS.get(letter)
    return f"{INTRODUCERS[introducer]} {told or chr(letter)}"


def length_of(name: str, args: bytes) -> int:
    """How many bytes belong to the command, by those of `args` that have come; else `MORE` or `UNKNOWN`."""
    fixed = _FIXED.get(name)
    if fixed is not None:
        return fixed
    rule = _RULES.get(name)
    return UNKNOWN if rule is None else rule(args)


def little(args: bytes) -> int:
    return int.from_bytes(args, "little")


def _sized(total: int) -> int:
    return total if total <= _LARGEST else UNKNOWN


def _prefixed(args: bytes) -> int:
    """x pL pH, then so many."""
    return 3 + little(args[1:3]) if len(args) >= 3 else MORE


def _prefixed_large(args: bytes) -> int:
    """x p1 p2 p3 p4, then so many."""
    return _sized(5 + little(args[1:5])) if len(args) >= 5 else MORE


def _peripheral(args: bytes) -> int:
    """`ESC c 3 n` and its like have a sub-letter; fire panels send `ESC c n` with a binary n."""
    if not args:
        return MORE
    return 2 if args[:1] in b"01345" else 1 if args[0] <= 1 else UNKNOWN


def _tabs(args: bytes) -> int:
    """Ascending columns, ended by NUL, by one that does not ascend, or after 32."""
    for place, column in enumerate(args):
        if column == 0:
            return place + 1
        if place == 32 or (place and column <= args[place - 1]):
            return place
    return MORE


def _glyphs(args: bytes) -> int:
    """y c1 c2, then for each character its width x and x·y bytes."""
    if len(args) < 3:
        return MORE
    height, first, last = args[:3]
    if not (1 <= height <= 6 and 0x20 <= first <= last):
        return UNKNOWN
    place = 3
    for _ in range(first, last + 1):
        if place >= len(args):
            return MORE
        place += 1 + args[place] * height
    return place


def _strip(args: bytes) -> int:
    """m nL nH, then n columns of one byte, or of three where m has 24 dots."""
    if not args:
        return MORE
    if args[0] not in (0, 1, 32, 33):
        return UNKNOWN
    return 3 + little(args[1:3]) * (3 if args[0] >= 32 else 1) if len(args) >= 3 else MORE


def _strip_or_reverse(args: bytes) -> int:
    """A bitmap `nL nH d…` of Chinese panel printers; where that were wider than any head, Epson's feed back by n."""
    if len(args) < 2:
        return MORE
    return 2 + little(args[:2]) if args[1] <= _WIDEST_STRIP else 1


def _cut_or_size(args: bytes) -> int:
    """A cut; but panel printers take a binary n behind it for the size of characters."""
    return MORE if not args else 1 if args[0] <= 8 else 0


def _two_dimensional(args: bytes) -> int:
    """m n k dL dH d…: a QR code on printers of the Gprinter kind."""
    if len(args) < 5:
        return MORE
    count = little(args[3:5])
    return 5 + count if args[0] <= 40 and args[1:2] in b"LMQH\0\1\2\3" and 0 < count <= 7089 else UNKNOWN


def _cut(args: bytes) -> int:
    """A feed follows in all forms but the plain ones."""
    return MORE if not args else 1 if args[0] in (0, 1, 48, 49) else 2


def _barcode(args: bytes) -> int:
    """m, then text up to NUL; from 65 on m, a length, and so many."""
    if not args:
        return MORE
    if args[0] <= 6:
        end = args.find(0, 1, _LONGEST_CODE + 2)
        return end + 1 if end > 0 else MORE if len(args) <= _LONGEST_CODE + 1 else UNKNOWN
    if not 65 <= args[0] <= 79:
        return UNKNOWN
    return 2 + args[1] if len(args) >= 2 else MORE


def _raster(args: bytes) -> int:
    """0 m xL xH yL yH, then x·y bytes."""
    if not args:
        return MORE
    if args[0] != 0x30:
        return UNKNOWN
    return _sized(6 + little(args[2:4]) * little(args[4:6])) if len(args) >= 6 else MORE


def _downloaded(args: bytes) -> int:
    """x y, then x·y·8 bytes."""
    return 2 + args[0] * args[1] * 8 if len(args) >= 2 else MORE


def _windows_bitmap(args: bytes) -> int:
    """m fn a kc1 kc2 b c, then a BMP file, whose own header says its length."""
    if not args:
        return MORE
    if args[0] != 0x30:
        return UNKNOWN
    if len(args) < 13:
        return MORE
    return _sized(7 + little(args[9:13])) if args[7:9] == b"BM" else UNKNOWN


def _counter(args: bytes) -> int:
    """Counter modes: 0 n m; 1 and six; 2 nL nH; or five numbers as text, each ended by a semicolon."""
    if not args:
        return MORE
    known = {0x30: 3, 0x31: 7, 0x32: 3, 0: 3, 1: 7, 2: 3}.get(args[0])
    if known or args[0] != 0x3B:
        return known or UNKNOWN
    ends = [place for place, byte in enumerate(args[:40]) if byte == 0x3B]
    return ends[5] + 1 if len(ends) >= 6 else MORE if len(args) < 40 else UNKNOWN


def _logos(args: bytes) -> int:
    """n, then n images, each xL xH yL yH and x·y·8 bytes."""
    if not args:
        return MORE
    place = 1
    for _ in range(args[0]):
        if len(args) < place + 4:
            return MORE if place <= _LARGEST else UNKNOWN
        place += 4 + little(args[place : place + 2]) * little(args[place + 2 : place + 4]) * 8
    return _sized(place)


def _user_memory(args: bytes) -> int:
    """1 m a1–a4 nL nH d… writes, 2 m a1–a4 nL nH reads."""
    if not args:
        return MORE
    if args[0] not in b"12":
        return UNKNOWN
    if len(args) < 8:
        return MORE
    return 8 + (little(args[6:8]) if args[0] == 0x31 else 0)


def _status(args: bytes) -> int:
    """n; for ink, the second interface and the drawer also the part asked about."""
    return MORE if not args else 2 if args[0] in (7, 8, 18) else 1


def _real_time(args: bytes) -> int:
    """The function, then as many as it takes."""
    return MORE if not args else {1: 3, 2: 3, 3: 6, 7: 2, 8: 8}.get(args[0], 1)


def _table(introducer: str, lengths: dict[int, str]) -> dict[str, int]:
    controls = {chr(code): told for code, told in _CONTROLS.items()}
    return {
        f"{introducer} {controls.get(letter, letter)}": count
        for count, letters in lengths.items()
        for letter in letters
    }


_FIXED = {
    **_table(
        "ESC",
        {
            0: "\x0c2<@LSmoqv",
            1: " !%-38=?EGJMNRTUVadeglrtu{",
            2: "$B\\f",
            3: "Cp",
            8: "W",
        },
    ),
    **_table("GS", {0: ":<ce", 1: "!#/BEHITabfhjrwx|", 2: "$ALPRW\\", 3: "^z", 4: "g"}),
    **_table("FS", {0: "&.", 1: "!-CWnr", 2: "?Sp", 74: "2"}),
    "DLE ENQ": 1,
}

_RULES: dict[str, Rule] = {
    "DLE EOT": _status,
    "DLE DC4": _real_time,
    "ESC &": _glyphs,
    "ESC (": _prefixed,
    "ESC *": _strip,
    "ESC D": _tabs,
    "ESC K": _strip_or_reverse,
    "ESC Z": _two_dimensional,
    "ESC c": _peripheral,
    "ESC i": _cut_or_size,
    "FS (": _prefixed,
    "FS g": _user_memory,
    "FS q": _logos,
    "GS (": _prefixed,
    "GS *": _downloaded,
    "GS 8": _prefixed_large,
    "GS C": _counter,
    "GS D": _windows_bitmap,
    "GS Q": _raster,
    "GS V": _cut,
    "GS k": _barcode,
    "GS v": _raster,
}
