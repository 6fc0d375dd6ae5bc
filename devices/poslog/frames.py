"""A POSLog's bytes cut into its transactions, each a small XML document of its own.

A day file is cut by its `<Transaction>` tags before any XML parser sees it, so that one malformed transaction costs
itself alone, memory is bounded by the longest transaction, and a DTD never reaches the parser: a file that declares
entities is refused whole, any other DOCTYPE is passed over. Tags are found outside comments, CDATA sections and
processing instructions, under any prefix. Each document gets the namespace declarations of what stood around it.

Encodings: as declared, UTF-16 by BOM or pattern; without declaration UTF-8, else GB18030. What is called GB2312 or GBK
is read as GB18030, which contains both. In all of them `<` and `>` are never part of another character.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

from devices.tills import RAW_LIMIT

LONGEST = 8 * 1024 * 1024
BETWEEN = 64 * 1024
PROLOGUE = 16 * 1024
LONGEST_TOKEN = 160

_NAME = rb"(?:[\w.-]{1,64}:)?Transaction"
_TOKEN = re.compile(
    rb"<(?:(?P<skip>!--|!\[CDATA\[|\?)|(?P<entity>!ENTITY)|/(?P<end>"
    + _NAME
    + rb")\s{0,64}>|(?P<start>"
    + _NAME
    + rb")"
    rb"(?=[\s/>]))"
)
_UNTIL = {b"!--": b"-->", b"![CDATA[": b"]]>", b"?": b"?>"}
_HIDDEN = re.compile(rb"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]{0,200})(?=[\s/>])")
_NAMESPACE = re.compile(rb"\s(xmlns(?::[\w.-]+)?)\s*=\s*(\"[^\"<]*\"|'[^'<]*')")
_ENCODING = re.compile(rb"\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([\w.:-]+)[\"']")
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


class Frame(NamedTuple):
    """One transaction. document: an XML element around it, UTF-8; fault: why there is none, or empty."""

    raw: bytes
    document: bytes = b""
    fault: str = ""


class _Token(NamedTuple):
    """What a match was: taken out of it at once, since the buffer below it moves."""

    kind: str
    name: bytes
    start: int
    end: int


class Cutter:
    """Bytes in, transactions out, the same however the bytes are cut. Raises nothing."""

    def __init__(self) -> None:
        self._utf16: codecs.IncrementalDecoder | None = None
        self._begun = False
        self._buf = bytearray()
        self._at = 0  # inside a transaction, which begins at 0 of the buffer, how far it was searched
        self._inside = b""  # name of the tag that opened the transaction
        self._until = b""  # what ends the comment, CDATA or instruction we are in
        self._too_long = False  # the rest of a transaction given up is passed over
        self._refused = False
        self._between = bytearray()
        self._encoding = ""
        self._namespaces: dict[bytes, bytes] = {}
        self._root = b""
        self._found = False
        self._out: list[Frame] = []

    def feed(self, data: bytes) -> Sequence[Frame]:
        self._buf += self._utf16.decode(data).encode() if self._utf16 else data
        if self._begun or len(self._buf) >= 2:
            self._begin()
            self._run()
        return self._taken()

    def end(self) -> Sequence[Frame]:
        self._begin()
        self._run()
        if self._refused:
            return self._taken()
        if self._inside:
            self._out.append(Frame(bytes(self._buf), fault="it is cut off by the end of the file"))
        else:
            self._pass(len(self._buf))
            last = bytes(self._between)
            if not self._too_long and (fault := self._tail_fault(last)):
                self._out.append(Frame(last, fault=fault))
        return self._taken()

    def _taken(self) -> Sequence[Frame]:
        out, self._out = self._out, []
        return out

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        if name := _UTF16.get(bytes(self._buf[:2])):
            self._utf16 = codecs.getincrementaldecoder(name)("replace")
            self._buf[:] = self._utf16.decode(bytes(self._buf)).lstrip("\ufeff").encode()
            self._encoding = "utf-8"

    def _run(self) -> None:
        while not self._refused and self._step():
            pass

    def _step(self) -> bool:
        """Deals with one token; False when more bytes are needed."""
        if self._until:
            return self._skip()
        found = _TOKEN.search(self._buf, self._at)
        if found is None:
            self._pass(max(self._at, len(self._buf) - LONGEST_TOKEN))
            return False
        kind = found.lastgroup or ""
        token = _Token(kind, found[kind], *found.span())
        if self._inside and token.start > LONGEST:
            self._give_up()
        elif token.kind == "skip":
            self._until = _UNTIL[token.name]
            self._pass(token.end)
        elif self._inside:
            self._token_inside(token)
        else:
            self._token_between(token)
        return True

    def _skip(self) -> bool:
        found = self._buf.find(self._until, self._at)
        if found < 0:
            self._pass(max(self._at, len(self._buf) - len(self._until) + 1))
            return False
        self._pass(found + len(self._until))
        self._until = b""
        return True

    def _pass(self, to: int) -> None:
        """Everything before `to` was searched."""
        if self._inside:
            self._at = to
            if to > LONGEST:
                self._give_up()
            return
        if not self._too_long:
            self._between += self._buf[: min(to, max(0, BETWEEN - len(self._between)))]
        del self._buf[:to]

    def _give_up(self) -> None:
        self._out.append(Frame(bytes(self._buf[:RAW_LIMIT]), fault="it is longer than 8 MiB"))
        del self._buf[: self._at]
        self._at, self._inside, self._too_long = 0, b"", True

    def _token_inside(self, token: _Token) -> None:
        if token.name != self._inside:
            self._at = token.end
        elif token.kind == "end":
            self._out.append(self._frame(bytes(self._buf[: token.end])))
            del self._buf[: token.end]
            self._at, self._inside = 0, b""
        else:
            self._out.append(Frame(bytes(self._buf[: token.start]), fault="it is cut off by the next one"))
            del self._buf[: token.start]
            self._at = token.end - token.start

    def _token_between(self, token: _Token) -> None:
        self._pass(token.start if token.kind == "start" else token.end)
        text = bytes(self._between)
        if not self._too_long:
            self._learn(text)
        if token.kind == "entity":
            self._out.append(Frame(text, fault="the file declares entities and is refused: a till has no need of them"))
            self._refused = True
            self._buf.clear()
        elif token.kind == "start":
            self._inside, self._at, self._found = token.name, token.end - token.start, True
        elif not self._too_long:
            self._out.append(Frame(text, fault="its beginning is missing"))
        self._too_long = False
        self._between.clear()

    def _learn(self, text: bytes) -> None:
        """Takes the encoding, the root and the namespaces from what stands around transactions."""
        if not self._encoding and not self._root and (told := _ENCODING.match(text.removeprefix(codecs.BOM_UTF8))):
            self._encoding = told[1].decode().lower()
        shown = _HIDDEN.sub(b"", text[:PROLOGUE])
        for name, value in _NAMESPACE.findall(shown):
            self._namespaces[name] = value
        if not self._root and (root := _ROOT.search(shown)):
            self._root = root[1]

    def _frame(self, raw: bytes) -> Frame:
        try:
            text = _decoded(raw, self._encoding)
        except (UnicodeDecodeError, LookupError):
            return Frame(raw, fault=f"it is not in the encoding {self._encoding or 'utf-8 or gb18030'}")
        declared = b"".join(b" %b=%b" % pair for pair in self._namespaces.items())
        return Frame(raw, b"<POSLog%b>%b</POSLog>" % (declared, text.encode("utf-8", "replace")))

    def _tail_fault(self, last: bytes) -> str:
        self._learn(last)
        if not self._root:
            return "" if self._found else "the file is no POSLog: it has no element"
        root = re.escape(self._root)
        if not re.search(rb"</" + root + rb"\s*>|<" + root + rb"\b[^<>]*/>", last):
            return f"the file ends before its {self._root.decode()} element does: it may be cut off"
        if not self._found and not self._root.endswith(b"POSLog") and b"POSLog" not in last:
            return "the file is no POSLog: it has no such element"
        return ""


def _decoded(raw: bytes, encoding: str) -> str:
    if encoding in ("gb2312", "gbk", "gb_2312-80", "cp936", "x-gbk"):
        encoding = "gb18030"
    if encoding:
        return raw.decode(encoding)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gb18030")
