"""YAML text to nodes that know their lines, and nodes to plain data.

The dialect is YAML 1.2's core: `no`, `on` and `10:30` are texts, `0214` is a text, numbers are decimal or 0x…. What a
settings file has no use for is refused: anchors and aliases (which can grow without bound), tags, tabs, several
documents, keys that are not texts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from config.syntax import explain

MAX_DEPTH = 32
MAX_VALUES = 20_000

_NULL, _BOOL, _INT, _FLOAT, _TEXT = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))

ALIAS = "aliases are not used here; write the value out again"
ANCHOR = "anchors are not used here; remove the &name"
TAG = "tags are not used here; remove the !name"


class SyntaxFault(Exception):
    """The text cannot be read as one YAML document. line: from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Document(NamedTuple):
    """A file's nodes.

    root: None when there is nothing but comments
    refused: what may not stand here, by the identity of its node
    """

    root: yaml.Node | None
    refused: dict[int, str]


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 as in the base class

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.refused: dict[int, str] = {}
        self.depth = 0
        self.values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._count(event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[no-untyped-call]
            node = yaml.ScalarNode(_NULL, "", event.start_mark, event.end_mark)  # type: ignore[arg-type]
            self.refused[id(node)] = ALIAS
            return node
        return self._compose_plain(parent, index, event)

    def _count(self, line: int) -> None:
        self.values += 1
        if self.depth >= MAX_DEPTH:
            raise SyntaxFault(line, f"nested more than {MAX_DEPTH} levels deep; make it flatter")
        if self.values > MAX_VALUES:
            raise SyntaxFault(line, f"more than {MAX_VALUES} keys and values; is it a store's YAML file?")

    def _compose_plain(self, parent: yaml.Node | None, index: int, event: yaml.NodeEvent) -> yaml.Node | None:
        refusal = ANCHOR if event.anchor is not None else TAG if getattr(event, "tag", None) is not None else None
        event.anchor = None
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if refusal:
            self.refused[id(node)] = refusal
        return node


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", [*"~nN", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    (_INT, r"[-+]?(?:0|[1-9][0-9]{0,17})|0x[0-9a-fA-F]{1,16}", [*"-+0123456789"]),
    (_FLOAT, r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?", [*"-+.0123456789"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


def compose(text: str) -> Document:
    """The nodes of the one document in `text`, or `SyntaxFault`."""
    try:
        loader = _Loader(text)
        return Document(loader.get_single_node(), loader.refused)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SyntaxFault(line, f"the character U+{error.character:04X} may not stand in a YAML file") from None
    except yaml.MarkedYAMLError as error:
        raise SyntaxFault(*explain(error)) from None


def key_text(key: yaml.Node) -> str:
    """The key as written; `?` for one that is no text, which `checks` refuses."""
    return str(key.value) if isinstance(key, yaml.ScalarNode) else "?"


def plain(node: yaml.Node) -> object:
    """Dicts in the order of the file, lists and scalars; of a key that is there twice the first value."""
    match node:
        case yaml.MappingNode():
            backwards = {key_text(key): plain(value) for key, value in reversed(node.value)}
            return dict(reversed(backwards.items()))
        case yaml.SequenceNode():
            return [plain(item) for item in node.value]
        case _:
            return _scalar(node)


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    match node.tag:
        case tag if tag == _NULL:
            return None
        case tag if tag == _BOOL:
            return text.lower() == "true"
        case tag if tag == _INT:
            return int(text, 16 if "x" in text else 10)
        case tag if tag == _FLOAT:
            return float(text)
        case _:
            return text
