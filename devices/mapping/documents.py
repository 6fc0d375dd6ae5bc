"""Text to documents: JSON objects in an array, one a line, one after the other or alone; XML; a form.

JSON objects are cut out of the text by their brackets, so that a file of any length passes through a little memory and
a broken object costs itself alone. A line end within a string, which JSON forbids, is where a broken one ends; an
object that never ends is looked through line by line for whole ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

LONGEST = 16 * 1024 * 1024  # characters of one document
_GARBAGE = 64 * 1024  # characters kept together of what is no document
_DEEPEST = 32
_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'\\[^\n]|["\n]')
_BROKEN, _NONE = "broken JSON", "no JSON object"
_BETWEEN = " \t\r\n,\x00\x1e\ufeff"

_json = msgspec.json.Decoder(float_hook=Decimal)


class Document(NamedTuple):
    """A map of names to values, and the bytes it was read from."""

    values: dict[str, Any]
    raw: bytes


class Broken(NamedTuple):
    reason: str
    raw: bytes


Found = Document | Broken


class Documents(Protocol):
    """Text in, documents out. `end` begins anew."""

    def feed(self, text: str) -> list[Found]: ...

    def end(self) -> list[Found]: ...


class JsonDocuments:
    """JSON objects, wherever they begin and end."""

    def __init__(self) -> None:
        self._text = ""
        self._begin = 0  # of what is not told yet: an open document, or what stands between documents
        self._looked = 0  # so far the text was looked at
        self._quoted = False
        self._open = 0  # brackets of the open document
        self._in_array = False

    def feed(self, text: str) -> list[Found]:
        self._text = self._text[self._begin :] + text
        self._begin, self._looked = 0, self._looked - self._begin
        found: list[Found] = []
        while True:
            limit = self._begin + LONGEST if self._open else len(self._text)
            if mark := (_INSIDE if self._quoted else _OUTSIDE).search(self._text, self._looked, limit):
                self._looked = mark.end()
                found += self._take(mark[0])
            elif self._open and len(self._text) - self._begin > LONGEST:
                found += self._too_long()
            else:
                break
        self._looked = max(self._looked, len(self._text) - self._text.endswith("\\"))
        while not self._open and len(self._text) - self._begin > _GARBAGE:
            found += self._passed(self._begin + _GARBAGE)
        return found

    def end(self) -> list[Found]:
        rest = self._text[self._begin :]
        found = list(_salvaged(rest)) if self._open else self._passed(len(self._text))
        self._text, self._begin, self._looked = "", 0, 0
        self._quoted, self._open, self._in_array = False, 0, False
        return found

    def _take(self, mark: str) -> list[Found]:
        if mark == '"':
            self._quoted = not self._quoted
        elif mark == "\n":
            return self._broken_line()
        elif mark in "{[" and not self._quoted:
            return self._opened(mark)
        elif mark in "}]" and not self._quoted:
            return self._closed(mark)
        return []

    def _opened(self, mark: str) -> list[Found]:
        if self._open:
            self._open += 1
            return []
        found = self._passed(self._looked - 1)
        if mark == "[" and not self._in_array:
            self._in_array = True
            self._begin = self._looked
        else:
            self._open = 1
        return found

    def _closed(self, mark: str) -> list[Found]:
        if self._open:
            self._open -= 1
            return [] if self._open else self._complete()
        if mark == "]" and self._in_array:
            found = self._passed(self._looked - 1)
            self._in_array = False
            self._begin = self._looked
            return found
        return []  # stays among what is no document

    def _complete(self) -> list[Found]:
        text = self._text[self._begin : self._looked]
        self._begin = self._looked
        return list(_salvaged(text))

    def _broken_line(self) -> list[Found]:
        """A string does not go on in the next line: here something was cut off."""
        reason = _BROKEN if self._open else _NONE
        self._quoted, self._open = False, 0
        return self._passed(self._looked, reason)

    def _passed(self, upto: int, reason: str = _NONE) -> list[Found]:
        """What stands between documents and is none, in pieces."""
        places = range(self._begin, upto, _GARBAGE)
        pieces = (self._text[place : min(upto, place + _GARBAGE)].strip(_BETWEEN) for place in places)
        found: list[Found] = [Broken(reason, _bytes(piece)) for piece in pieces if piece]
        self._begin = upto
        return found

    def _too_long(self) -> list[Found]:
        limit = self._begin + LONGEST
        upto = self._text.rfind("\n", self._begin, limit) + 1 or limit
        found = list(_salvaged(self._text[self._begin : upto]))
        self._begin = self._looked = upto
        self._quoted, self._open = False, 0
        return found


def _salvaged(text: str) -> Iterator[Found]:
    """The one document that `text` should be, or the whole ones among its lines and what is between them."""
    values = _object(text)
    if values is not None:
        yield Document(values, _bytes(text))
        return
    broken: list[str] = []
    for line in text.splitlines(keepends=True):
        values = _object(line.rstrip(_BETWEEN)) if line.startswith("{") and line != text else None
        if values is None:
            broken.append(line)
            continue
        yield from _rest(broken)
        broken = []
        yield Document(values, _bytes(line.rstrip(_BETWEEN)))
    yield from _rest(broken)


def _rest(broken: list[str]) -> list[Broken]:
    text = "".join(broken).strip(_BETWEEN)
    return [Broken(_BROKEN, _bytes(text))] if text else []


def _object(text: str) -> dict[str, Any] | None:
    try:
        values = _json.decode(text.encode("utf-8", "surrogateescape"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class XmlDocuments:
    """One XML document: its root's children by local name, repeated ones as lists, attributes as `@name`."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> list[Found]:
        self._text += text[: LONGEST + 1 - len(self._text)]
        return []

    def end(self) -> list[Found]:
        text, self._text = self._text.strip(_BETWEEN), ""
        if not text:
            return []
        if len(text) > LONGEST:
            return [Broken("a document that is too long", _bytes(text[:_GARBAGE]))]
        try:
            values = _plain(fromstring(re.sub(r"^<\?xml[^>]*\?>", "", text)), 0)
        except (ParseError, DefusedXmlException, UnicodeError, ValueError) as error:
            return [Broken(f"broken XML: {type(error).__name__}", _bytes(text))]
        return [Document(values if isinstance(values, dict) else {"#text": values}, _bytes(text))]


def _plain(element: Element, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    values: dict[str, Any] = {f"@{_local(name)}": value for name, value in element.attrib.items()}
    for child in element:
        name, value = _local(str(child.tag)), _plain(child, depth + 1)
        if name in values:
            held = values[name]
            values[name] = [*held, value] if isinstance(held, list) else [held, value]
        else:
            values[name] = value
    return values or (element.text or "").strip()


def _local(name: str) -> str:
    return name.rpartition("}")[2]


class FormDocuments:
    """One form, as browsers post it."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> list[Found]:
        self._text += text[: LONGEST + 1 - len(self._text)]
        return []

    def end(self) -> list[Found]:
        text, self._text = self._text.strip(_BETWEEN), ""
        if not text:
            return []
        try:
            values = dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=10_000))
        except ValueError:
            return [Broken("no form", _bytes(text[:_GARBAGE]))]
        return [Document(dict(values), _bytes(text))]
