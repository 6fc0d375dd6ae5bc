"""What a key types on a US keyboard, by the kernel's key codes (linux/input-event-codes.h)."""

from __future__ import annotations

ENTER, TAB, KEYPAD_ENTER = 28, 15, 96
SHIFTS, CONTROLS = {42, 54}, {29, 97}

_ROWS = {
    2: ("1234567890-=", "!@#$%^&*()_+"),
    16: ("qwertyuiop[]", "QWERTYUIOP{}"),
    30: ("asdfghjkl;'`", 'ASDFGHJKL:"~'),
    43: ("\\zxcvbnm,./", "|ZXCVBNM<>?"),
    57: (" ", " "),
    86: ("\\", "|"),
}
_KEYPAD = {71: "789-456+1230.", 55: "*", 98: "/", 117: "="}

PLAIN = {first + place: char for first, (plain, _) in _ROWS.items() for place, char in enumerate(plain)} | {
    first + place: char for first, chars in _KEYPAD.items() for place, char in enumerate(chars)
}
SHIFTED = {first + place: char for first, (_, shifted) in _ROWS.items() for place, char in enumerate(shifted)}


def typed(code: int, *, shift: bool, control: bool) -> str:
    """The character of a pressed key, empty where it types none. With control: the control character, as scanners
    send FNC1 (GS, 1D) as Ctrl and ]."""
    char = SHIFTED.get(code, PLAIN.get(code, "")) if shift else PLAIN.get(code, "")
    if control and char:
        return chr(ord(char.upper()) & 0x1F) if "@" <= char.upper() <= "_" else ""
    return char
