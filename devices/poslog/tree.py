"""Elements by their local names: tills put POSLog under several namespaces, or under none.

`parse` takes the namespaces off the elements; attributes keep theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

DEEPEST = 256
_DECIMAL = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})", re.ASCII)


class Malformed(ValueError):
    """The transaction cannot be understood; the text says which part of it."""


class _Builder(TreeBuilder):
    """Gives up on elements nested deeper than any log has them, before they fill the memory."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Malformed(f"its elements are nested deeper than {DEEPEST}")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse(document: bytes) -> Element:
    """The `Transaction` in a document of `frames`, without namespaces; `Malformed` when it is no XML."""
    parser = DefusedXMLParser(target=_Builder())
    try:
        parser.feed(document)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException) as error:
        raise Malformed("it is not well-formed XML") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root[0]


def elements(parent: Element, *names: str) -> Iterator[Element]:
    """The child elements of these names."""
    return (child for child in parent if child.tag in names)


def within(parent: Element, *names: str) -> Iterator[Element]:
    """The descendants of these names, at any depth, in the log's order."""
    return (element for element in parent.iter() if element is not parent and element.tag in names)


def first(parent: Element, *names: str) -> Element | None:
    """The first child of the first of these names that occurs."""
    return next((child for name in names for child in elements(parent, name)), None)


def text(element: Element | None) -> str | None:
    """Its own text without blanks around; None when there is none."""
    return ((element.text or "").strip() or None) if element is not None else None


def text_of(parent: Element, *names: str) -> str | None:
    """The text of the first of these children that has any."""
    return next((told for name in names for child in elements(parent, name) if (told := text(child))), None)


def attribute(element: Element, name: str) -> str | None:
    """An attribute by its local name."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value.strip() or None
    return None


def is_set(element: Element, *names: str) -> bool:
    return any((attribute(element, name) or "").lower() in ("true", "1") for name in names)


def decimal(told: str | None, what: str) -> Decimal | None:
    """The number, None for none; `Malformed` for anything that is no xs:decimal."""
    if told is None:
        return None
    if not _DECIMAL.fullmatch(told):
        raise Malformed(f"its {what} is not a decimal number")
    return Decimal(told)


def amount_of(parent: Element, *names: str) -> Decimal | None:
    return decimal(text_of(parent, *names), names[0])


def kebab(name: str) -> str:
    """`OperatorSignOn` → `operator-sign-on`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return "-".join(words).lower()
