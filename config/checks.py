"""What is refused in a file whatever the models say: repeated keys and ids, ids that no device has, secrets in clear,
anchors and tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import yaml

from config.document import Document, key_text
from config.hints import did_you_mean
from config.places import Path, line_of

_SECRET = re.compile(r"(?:^|_)(?:password|passwd|passphrase|secret|token|key|credentials?|psk)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PEM = "-----BEGIN"


class Finding(NamedTuple):
    line: int
    path: Path
    message: str


def findings(document: Document) -> Iterator[Finding]:
    """Everything refused, in no order."""
    if document.root is not None:
        yield from _walk(document.root, (), line_of(document.root), document.refused)
        yield from _repeated_ids(document.root)
        yield from _unknown_ids(document.root)


def _walk(node: yaml.Node, path: Path, line: int, refused: dict[int, str]) -> Iterator[Finding]:
    if id(node) in refused:
        yield Finding(line, path, refused[id(node)])
    if isinstance(node, yaml.MappingNode):
        yield from _keys(node, path)
        yield from _refused_keys(node, path, refused)
        for key, value in node.value:
            yield from _walk(value, (*path, key_text(key)), line_of(key), refused)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), line_of(item), refused)
    elif _PEM in node.value:
        yield Finding(line, path, "a key or certificate in clear; put it into a file and give the file's path")


def _keys(node: yaml.MappingNode, path: Path) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        name = key_text(key)
        here = (*path, name)
        if not isinstance(key, yaml.ScalarNode):
            yield Finding(line_of(key), here, "a key must be a plain text")
        elif name in seen:
            yield Finding(line_of(key), here, f"stands here a second time, first in line {seen[name]}; remove one")
        elif isinstance(value, yaml.ScalarNode) and _is_secret(name):
            yield Finding(line_of(key), here, f"a secret in clear; put it into a file and give its path as {name}_file")
        seen.setdefault(name, line_of(key))


def _refused_keys(node: yaml.MappingNode, path: Path, refused: dict[int, str]) -> Iterator[Finding]:
    for key, _ in node.value:
        if id(key) in refused:
            yield Finding(line_of(key), (*path, key_text(key)), refused[id(key)])


def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(_CAMEL.sub("_", name).replace("-", "_").lower()))


def _repeated_ids(root: yaml.Node) -> Iterator[Finding]:
    seen: dict[str, tuple[int, int]] = {}
    for index, device in enumerate(_items(_value(root, "devices"))):
        for key, value in _entries(device):
            if key_text(key) == "id" and isinstance(value, yaml.ScalarNode):
                owner, line = seen.setdefault(value.value, (index, line_of(key)))
                if owner != index:
                    message = f"the id '{value.value}' is taken by the device in line {line}; every device has its own"
                    yield Finding(line_of(key), ("devices", index, "id"), message)


def _unknown_ids(root: yaml.Node) -> Iterator[Finding]:
    """Rules of silence for devices that the file does not have."""
    known = {value.value for device in _items(_value(root, "devices")) if (value := _value(device, "id"))}
    silence = _value(root, "silence")
    rules: list[tuple[Path, yaml.Node]] = [((key_text(key),), rule) for key, rule in _entries(silence)]
    rules += [(("expected", index), rule) for index, rule in enumerate(_items(_value(silence, "expected")))]
    for path, rule in rules:
        for index, named in enumerate(_items(_value(rule, "devices"))):
            if isinstance(named, yaml.ScalarNode) and named.value not in known:
                hint = did_you_mean(named.value, known) or "; the ids of its devices stand under devices"
                message = f"the store has no device '{named.value}'{hint}"
                yield Finding(line_of(named), ("silence", *path, "devices", index), message)


def _entries(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _entries(node) if key_text(key) == name), None)
