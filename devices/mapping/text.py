"""Bytes to text: UTF-8, or GB18030 where the bytes show it, or what is set; a mark at the beginning decides first.

Bytes that are no text in the encoding become lone surrogates, so that what holds them can be told and kept.
"""

from __future__ import annotations

import codecs
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

_SAMPLE = 64 * 1024  # bytes from the first one outside ASCII by which an encoding is told
_MARKS = {BOM_UTF8: "utf-8-sig", BOM_UTF16_LE: "utf-16", BOM_UTF16_BE: "utf-16"}
_NOT_ASCII = bytes(range(128))


class TextReader:
    """Bytes in, text out, the same however the bytes are cut."""

    def __init__(self, encoding: str | None) -> None:
        """encoding: None to tell it from the bytes."""
        self._decoder = _decoder(encoding) if encoding else None
        self._begun = False
        self._held = b""

    def feed(self, data: bytes) -> str:
        if self._decoder:
            return self._decoder.decode(data)
        self._held += data
        return self._told(final=False)

    def end(self) -> str:
        """The rest; begins anew, in the same encoding if one was set or told."""
        text = "" if self._decoder else self._told(final=True)
        return text + (self._decoder.decode(b"", final=True) if self._decoder else "")

    def _told(self, *, final: bool) -> str:
        if not self._begun:
            if len(self._held) < len(BOM_UTF8) and not final:
                return ""
            self._begun = True
            marked = next((name for mark, name in _MARKS.items() if self._held.startswith(mark)), None)
            if marked:
                return self._decide(marked)
        plain = len(self._held) - len(self._held.lstrip(_NOT_ASCII))
        text, self._held = self._held[:plain].decode("ascii"), self._held[plain:]
        if len(self._held) >= _SAMPLE or (final and self._held):
            return text + self._decide(_shown(self._held[:_SAMPLE], final=final and len(self._held) <= _SAMPLE))
        return text

    def _decide(self, encoding: str) -> str:
        self._decoder = _decoder(encoding)
        held, self._held = self._held, b""
        return self._decoder.decode(held)


def _shown(sample: bytes, *, final: bool) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(sample, final)
        except UnicodeDecodeError:
            continue
        return encoding
    return "utf-8"


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(encoding)("surrogateescape")
