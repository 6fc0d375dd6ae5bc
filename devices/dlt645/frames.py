"""Frames of DL/T 645, editions of 1997 and 2007.

    FE … | 68 | address, 6 bytes | 68 | control | length | data + 33h each | sum | 16

FE wakes the line and belongs to no frame. address: 12 BCD digits, the last two first; AA stands for any two. control:
80h answers, 40h refuses, 20h more follows; 11h (1997: 01h) reads. data begins with the identifier of what is read, 4
bytes (1997: 2), lowest first. sum: low byte of the sum of all bytes from the first 68.

`68 37 03 00 92 81 39 68 91 08 33 33 34 33 37 33 33 33 8C 16`: meter 398192000337 says 00010000 is 000000.04 kWh.
Sources: DL/T 645-1997, DL/T 645-2007.
"""

from __future__ import annotations

from typing import NamedTuple

from devices.framing import Framing, Noise

ANY = "AAAAAAAAAAAA"
READ = {"2007": 0x11, "1997": 0x01}
ENERGY = {"2007": (0x00010000, 4), "1997": (0x9010, 2)}  # total active energy taken in, and its identifier's bytes
_START, _END, _WAKE = 0x68, 0x16, b"\xfe"
_HEAD = 10  # bytes up to the data
_LONGEST = 200  # bytes of data
_SHIFT = 0x33


class Frame(NamedTuple):
    """address: 12 digits, or with A where any is meant; data: without the 33h."""

    address: str
    control: int
    data: bytes
    raw: bytes


def frame(address: str, control: int, data: bytes) -> bytes:
    """The frame that says so."""
    body = bytes((_START, *bytes.fromhex(address)[::-1], _START, control, len(data)))
    body += bytes((byte + _SHIFT) & 0xFF for byte in data)
    return body + bytes((sum(body) & 0xFF, _END))


def question(address: str, standard: str) -> bytes:
    """Asks a meter for the energy that was taken in, four bytes to wake the line before it."""
    identifier, size = ENERGY[standard]
    return 4 * _WAKE + frame(address, READ[standard], identifier.to_bytes(size, "little"))


class FrameParser(Framing[Frame]):
    """Bytes in, frames and noise out. Opens no port, reads no clock, raises nothing."""

    def __init__(self) -> None:
        super().__init__(_size, _frame, _noise)


def _size(buffer: bytearray, place: int) -> int | None:
    """Length of the good frame that begins at `place`, 0 for none; None while there are too few bytes to tell."""
    begun = buffer[place : place + _HEAD]
    if begun[0] != _START or not all(map(_is_bcd, begun[1:7])) or begun[7:8] not in (b"", bytes((_START,))):
        return 0
    if len(begun) < _HEAD:
        return None
    if begun[9] > _LONGEST:
        return 0
    size = _HEAD + begun[9] + 2
    if len(buffer) - place < size:
        return None
    whole = buffer[place : place + size]
    return size if whole[-1] == _END and _sum(whole) == whole[-2] else 0


def _is_bcd(byte: int) -> bool:
    return byte == 0xAA or (byte >> 4 < 10 and byte & 15 < 10)


def _sum(whole: bytes | bytearray) -> int:
    return sum(whole[:-2]) & 0xFF


def _frame(raw: bytes) -> Frame:
    data = bytes((byte - _SHIFT) & 0xFF for byte in raw[_HEAD:-2])
    return Frame(raw[6:0:-1].hex().upper(), raw[8], data, raw)


def _noise(stretch: bytes) -> Noise | None:
    noise = stretch.strip(_WAKE)
    return Noise(_reason(noise), noise) if noise else None


def _reason(noise: bytes) -> str:
    size = _HEAD + noise[9] + 2 if len(noise) >= _HEAD else 0
    if noise[0] != _START or noise[7:8] not in (b"", bytes((_START,))) or (size and noise[9] > _LONGEST):
        return "no frame of a meter; check baudrate, parity and cable"
    if not size or len(noise) < size:
        return "half a frame"
    whole = noise[:size]
    return f"wrong checksum: {whole[-2]:02X}, not {_sum(whole):02X}" if whole[-1] == _END else "a frame without its end"
