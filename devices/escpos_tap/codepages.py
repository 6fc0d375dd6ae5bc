"""Which characters a byte above 7F is: `ESC t n` by make of printer, and national letters by `ESC R n`.

The numbers are facts of the makers' manuals. Pages that Python has no codec for are left out; such a page prints as
cp437.
"""

from __future__ import annotations

from typing import Literal, get_args

Make = Literal["epson", "star", "citizen", "rongta", "zjiang", "kefar", "wincor", "display"]
MAKES: tuple[Make, ...] = get_args(Make)

KATAKANA = "katakana"
_KATAKANA = (
    "▁▂▃▄▅▆▇█▏▎▍▌▋▊▉┼┴┬┤├¯─│▕┌┐└┘╭╮╰╯ ｡｢｣､･ｦｧｨｩｪｫｬｭｮｯｰｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜﾝﾞﾟ"
    "═╞╪╡◢◣◥◤♠♥♦♣●○╱╲╳円年月日時分秒〒市区町村人▒ "
)


def _pages(text: str) -> dict[int, str]:
    """`0:437 16:1252 15:iso8859_7`: a bare number is a DOS or Windows code page."""
    return {
        int(number): f"cp{page}" if page.isdecimal() else page
        for number, _, page in (part.partition(":") for part in text.split())
    }


_COMMON = "0:437 1:katakana 2:850 3:860 4:863 5:865 "
_EPSON = _pages(
    _COMMON
    + "13:857 14:737 15:iso8859_7 16:1252 17:866 18:852 19:858 21:874 32:720 33:775 34:855 35:861 36:862 37:864 "
    "38:869 39:iso8859_2 40:iso8859_15 44:1125 45:1250 46:1251 47:1253 48:1254 49:1255 50:1256 51:1257 52:1258 "
    "53:kz1048"
)
_ZJIANG = {
    **_EPSON,
    **_pages(
        "22:iso8859_6 25:1257 27:1258 28:864 32:1255 50:437 52:437 53:858 54:852 55:860 56:861 57:863 58:865 59:866 "
        "60:855 61:857 62:862 63:864 64:737 66:869 71:1252 72:1250 73:1251 90:1253 91:1254 92:1256 93:720 94:1258 "
        "95:775"
    ),
}
_BY_MAKE: dict[Make, dict[int, str]] = {
    "epson": _EPSON,
    "zjiang": _ZJIANG,  # and Netum, P822D and others of this design
    "citizen": {**_EPSON, **_pages("6:852 7:866 8:857 9:1252 40:864")},
    "rongta": {
        **_EPSON,
        **_pages(
            "6:1251 7:866 15:862 17:1253 23:latin_1 24:737 25:1257 27:720 28:855 29:857 30:1250 31:775 32:1254 33:1255 "
            "34:1256 35:1258 36:iso8859_2 37:iso8859_3 38:iso8859_4 39:iso8859_5 40:iso8859_6 41:iso8859_7 "
            "42:iso8859_8 43:iso8859_9 44:iso8859_15 46:856 47:874"
        ),
    },
    "kefar": {
        **_EPSON,
        **_pages(
            "11:1252 12:866 13:852 14:858 23:864 27:1255 28:437 29:katakana 30:437 31:858 32:852 33:860 34:861 35:863 "
            "36:865 37:866 38:855 39:857 40:862 41:864 42:737 44:869 45:iso8859_7 48:874 49:1252 50:1250 51:1251 "
            "68:852 70:1256"
        ),
    },
    "star": _pages(
        "0:437 1:437 2:katakana 3:437 4:858 5:852 6:860 7:861 8:863 9:865 10:866 11:855 12:857 13:862 14:864 15:737 "
        "17:869 18:iso8859_7 32:1252 33:1250 34:1251"
    ),
    "wincor": _pages(
        "0:437 1:850 2:852 3:860 4:863 5:865 6:858 7:866 8:1252 9:862 10:737 11:874 12:857 16:1254 17:1250 22:864 "
        "23:720 24:1256 26:katakana 27:775 28:1257"
    ),
    "display": {
        **_EPSON,
        **_pages("9:852 10:862 11:866 12:1251 13:1254 14:1255 15:1257 17:1253 18:1250"),
    },
}

_REPLACED = "#$@[\\]^`{|}~"  # what a national set puts other letters for
_NATIONAL = {
    1: "#$à°ç§^`éùè¨",  # France
    2: "#$§ÄÖÜ^`äöüß",  # Germany
    3: "£$@[\\]^`{|}~",  # United Kingdom
    4: "#$@ÆØÅ^`æøå~",  # Denmark I
    5: "#¤ÉÄÖÅÜéäöåü",  # Sweden
    6: "#$@°\\é^ùàòèì",  # Italy
    7: "₧$@¡Ñ¿^`¨ñ}~",  # Spain I
    8: "#$@[¥]^`{|}~",  # Japan
    9: "#¤ÉÆØÅÜéæøåü",  # Norway
    10: "#$ÉÆØÅÜéæøåü",  # Denmark II
    11: "#$á¡Ñ¿é`íñóú",  # Spain II
    12: "#$á¡Ñ¿éüíñóú",  # Latin America
    13: "#$@[₩]^`{|}~",  # Korea
    14: "#$ŽŠĐĆČžšđćč",  # Slovenia, Croatia
    15: "#¥@[\\]^`{|}~",  # China
}
NATIONAL = {number: str.maketrans(_REPLACED, letters) for number, letters in _NATIONAL.items()}


def page(make: Make, number: int) -> str:
    """The codec of `ESC t number`, or `KATAKANA`; cp437 where the make has none that we know."""
    return _BY_MAKE[make].get(number, "cp437")


def decode_single(codec: str, data: bytes) -> str:
    """Bytes of a single-byte page as text; what it leaves empty is U+FFFD."""
    if codec == KATAKANA:
        return "".join(_KATAKANA[byte - 0x80] if byte >= 0x80 else chr(byte) for byte in data)
    return data.decode(codec, "replace")
