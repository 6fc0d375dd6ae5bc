"""Bytes to characters, by the state that the printer is in.

Two kinds of text alternate: single-byte pages (`ESC t n`, `ESC R n`), and a multi-byte set, which is GB18030 unless set
otherwise. The multi-byte set is on

    chinese_mode on          at start and after `ESC @`; `FS .` ends it, `FS &` begins it again
    chinese_mode by-command  from `FS &` to `FS .`
    chinese_mode off         never

`FS C 1` chooses Shift JIS and `FS ( C` UTF-8 whatever the mode. A byte that was lost costs one character (U+FFFD).
"""

from __future__ import annotations

import codecs
from typing import Literal

from devices.escpos_tap.codepages import KATAKANA, NATIONAL, Make, decode_single, page

ChineseMode = Literal["on", "off", "by-command"]

LOST = "\ufffd"

_WIDE = {  # the widest superset of each name that printers know
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "cp936": "gb18030",
    "big5": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "cp950": "cp950",
    "shift_jis": "cp932",
    "cp932": "cp932",
    "euc_kr": "cp949",
    "cp949": "cp949",
    "utf-8": "utf-8",
}


def known_encoding(name: str) -> str:
    """The canonical name; `ValueError` for what is no text encoding."""
    try:
        fits = b"0".decode(name) == "0"
    except (LookupError, UnicodeError):
        fits = False
    if not fits:
        raise ValueError("must be a text encoding such as gb18030, big5, shift-jis or cp1252")
    return codecs.lookup(name).name


class Charset:
    """encoding: canonical; of a multi-byte set it replaces GB18030, of a single-byte page every `ESC t n`."""

    def __init__(self, make: Make, chinese_mode: ChineseMode, encoding: str | None) -> None:
        self._make = make
        self._mode = chinese_mode
        self._set = _WIDE.get(encoding or "gb18030")
        self._page_always = encoding if encoding and not self._set else None
        self._decoder: codecs.IncrementalDecoder | None = None
        self.reset()

    def reset(self) -> None:
        """As after `ESC @`."""
        self._wide = self._mode == "on"
        self._shift_jis = self._utf8 = False
        self._page, self._national = page(self._make, 0), 0
        self._choose()

    def decode(self, data: bytes) -> str:
        """Characters that `data` completes."""
        text = self._decoder.decode(data) if self._decoder else decode_single(self._page_now(), data)
        return text.translate(NATIONAL[self._national]) if self._national in NATIONAL else text

    def flush(self) -> str:
        """What half a character leaves when something else follows it: U+FFFD, or nothing."""
        if self._decoder is None:
            return ""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text

    def command(self, name: str, args: bytes) -> None:
        """Takes the commands that choose characters; call `flush` before."""
        match name:
            case "ESC t":
                self._page = page(self._make, args[0])
            case "ESC R":
                self._national = args[0]
            case "FS &" if self._mode != "off":
                self._wide = True
            case "FS .":
                self._wide = False
            case "FS C":
                self._shift_jis = args[0] in (1, 2, 0x31, 0x32)
            case "FS (" if args[:1] == b"C" and args[3:4] == b"0":
                self._utf8 = args[4:5] in (b"\x02", b"2")
            case _:
                return
        self._choose()

    def _page_now(self) -> str:
        """Page 1 draws boxes on printers whose text is in another page."""
        return self._page_always if self._page_always and self._page != KATAKANA else self._page

    def _choose(self) -> None:
        wide = "utf-8" if self._utf8 else "cp932" if self._shift_jis else self._set if self._wide else None
        self._decoder = codecs.getincrementaldecoder(wide)("replace") if wide else None
