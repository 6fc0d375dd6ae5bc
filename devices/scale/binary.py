"""Frames that begin with STX or SOH.

Toledo 8217, when it is asked by `W` (status bits: 0 moving, 1 out of range, 2 under zero, 3 off zero, 4 at zero):

    STX | blanks | digits with a point | N when net | CR          STX | ? | status | CR

Toledo continuous (A, B, C: status; check: two's complement of the sum of all bytes before it, 7 bits; may be left out):

    STX | A | B | C | 6 digits of weight | 6 of tare | CR | check
    A: bits 0-2 decimals + 2     B: 0 net, 1 negative, 2 out of range, 3 moving, 4 kg, not lb     C: bits 0-2 unit

CAS (S stable, U moving; check: exclusive or from S or U up to it), and its 18 bytes without check:

    SOH | STX | S | sign | 6 or 7 of weight | unit | check | ETX | EOT        STX | S | sign | 6 of weight | unit | CR

Yaohua XK3190-A9 (check: exclusive or of the 8 bytes before it, each half + 30h, or + 37h from 10 on):

    STX | sign | 6 digits | decimals | 2 of check | ETX

Sources: manuals of Mettler Toledo (8217, IND continuous output), CAS (PD, AP), Yaohua (XK3190-A9).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from operator import xor
from typing import NamedTuple

from devices.scale.lines import Said, kilograms, read

LONGEST = 40  # bytes; what is no frame by then is none
_UNIT = rb"(kg|lb|oz|t |g |k |kg |lb |[kgl])"
_ASKED = re.compile(rb"\x02 *([0-9]{1,6}(?:\.[0-9]{1,4})?|\.[0-9]{1,4})N?\r")
_STATUS = re.compile(rb"\x02\?[\x00-\xff]\r")
_CONTINUOUS = re.compile(rb"\x02([ -\x7f])([ -\x7f])([ -\x7f])([ 0-9]{6})([ 0-9]{6})\r")
_CAS = re.compile(rb"[\x01\x81]\x02(([SU])([ +-])([ 0-9.]{6,7})" + _UNIT + rb" ?)([\x00-\xff])\x03\x04?")
_CAS_SHORT = re.compile(rb"\x02([SU])[ ,]*([ +-])([ 0-9.]{5,7})" + _UNIT + rb" *\r")
_YAOHUA = re.compile(rb"\x02(([+-])([0-9]{6})([0-4]))([0-9:;<=>?A-F]{2})\x03")
_TEXT = re.compile(rb"\x02([^\r\n\x01-\x03]{1,30})\r")
_UNITS_OF_C = ("", "g", "t", "oz")  # by C's low bits; the rest are troy ounces, pennyweights, tons, the user's own


class Wrong(NamedTuple):
    """A frame that is no good."""

    reason: str


class Frame(NamedTuple):
    size: int
    said: Said | Wrong


def frame_at(data: bytes, unit: str, *, last: bool) -> Frame | None:
    """The frame that begins `data`, size 0 for none; None while there are too few bytes to tell. last: no more come."""
    fits = [(found, says) for pattern, says in _KINDS if (found := pattern.match(data))]
    if not fits:
        return Frame(0, Wrong("")) if last or len(data) >= LONGEST else None
    found, says = min(fits, key=lambda fit: fit[0].end())  # the first to be whole, however the bytes come
    if found.re is _CONTINUOUS:
        return _with_check(found, data, last=last)
    if found.re is _CAS and not last and len(data) == found.end() and data[-1:] == b"\x03":
        return None  # EOT may follow
    return Frame(found.end(), says(found, unit))


def _with_check(found: re.Match[bytes], data: bytes, *, last: bool) -> Frame | None:
    """A scale that checks sends one byte more; the next frame's STX is none, unless another follows it."""
    right, after = continuous_check(found[0]), data[found.end() : found.end() + 2]
    if len(after) < 2 and not last and after[:1] in (b"", b"\x02"):
        return None
    if after[:1] == bytes((right,)) and (right != 2 or after[1:] == b"\x02"):
        return Frame(found.end() + 1, _continuous(found))
    if after[:1] in (b"", b"\x02", b"\n"):
        return Frame(found.end(), _continuous(found))
    return Frame(found.end() + 1, Wrong(f"wrong checksum: {after[0]:02X}, not {right:02X}"))


def continuous_check(frame: bytes) -> int:
    """What follows a frame of Toledo's continuous output."""
    return -sum(byte & 0x7F for byte in frame) & 0x7F


def cas_check(body: bytes) -> int:
    """What follows `body`, from S or U on."""
    return reduce(xor, body, 0)


def yaohua_check(body: bytes) -> bytes:
    """What follows `body`, from the sign on: letters from 10 on, as the maker's manual says."""
    return b"%02X" % reduce(xor, body, 0)


def _asked(found: re.Match[bytes], unit: str) -> Said:
    return Said(kilograms("", found[1].decode(), unit), "stable", whole=True)


def _no_weight(found: re.Match[bytes], unit: str) -> Said:  # noqa: ARG001 - as all of `_KINDS`
    return Said(None, "moving", whole=True)


def _continuous(found: re.Match[bytes]) -> Said | Wrong:
    a, b, c = (found[place][0] for place in (1, 2, 3))
    digits = found[4].strip()
    kind = c & 7
    if b & 4 or not digits.isdigit():
        return Said(None, "moving", whole=True)
    if kind >= len(_UNITS_OF_C):
        return Wrong(f"unit {kind} of Toledo's continuous output is not known")
    unit = _UNITS_OF_C[kind] or ("kg" if b & 16 else "lb")
    number = Decimal(int(digits)).scaleb(2 - (a & 7))
    said = kilograms("-" if b & 2 else "", f"{number:f}", unit)
    return Said(said, "moving" if b & 8 else "stable", whole=True)


def _cas(found: re.Match[bytes], unit: str) -> Said | Wrong:  # noqa: ARG001 - it says its own
    right = cas_check(found[1])
    if found[6][0] & 0x7F != right & 0x7F:
        return Wrong(f"wrong checksum: {found[6][0]:02X}, not {right:02X}")
    return _of_cas(found[2], found[3], found[4], found[5])


def _cas_short(found: re.Match[bytes], unit: str) -> Said | Wrong:  # noqa: ARG001 - it says its own
    return _of_cas(found[1], found[2], found[3], found[4])


def _of_cas(state: bytes, sign: bytes, number: bytes, unit: bytes) -> Said | Wrong:
    digits = number.decode().strip()
    if not re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", digits):
        return Said(None, "moving", whole=True)
    name = {"l": "lb", "k": "kg"}.get(unit.decode().strip(), unit.decode().strip())
    return Said(kilograms(sign.decode(), digits, name), "stable" if state == b"S" else "moving", whole=True)


def _yaohua(found: re.Match[bytes], unit: str) -> Said | Wrong:
    right = yaohua_check(found[1])
    told = bytes(byte + 7 if byte in b":;<=>?" else byte for byte in found[5])  # some add 30h to every half
    if told != right:
        return Wrong(f"wrong checksum: {found[5].decode()}, not {right.decode()}")
    number = Decimal(int(found[3])).scaleb(-int(found[4]))
    return Said(kilograms(found[2].decode(), f"{number:f}", unit), "unsaid", whole=True)


def _text(found: re.Match[bytes], unit: str) -> Said | Wrong:
    said = read(found[1].decode("latin-1"), unit)
    return said._replace(whole=True) if said else Wrong("no frame of a scale that is known; see protocol")


_Says = Callable[[re.Match[bytes], str], Said | Wrong]
_KINDS: tuple[tuple[re.Pattern[bytes], _Says], ...] = (
    (_ASKED, _asked),
    (_STATUS, _no_weight),
    (_CONTINUOUS, _no_weight),
    (_CAS, _cas),
    (_CAS_SHORT, _cas_short),
    (_YAOHUA, _yaohua),
    (_TEXT, _text),
)
