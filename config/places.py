"""Where in a file something stands: from a path of keys and indexes to a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from config.document import key_text

Step = str | int
Path = tuple[Step, ...]


def line_of(node: yaml.Node) -> int:
    """From 1."""
    return int(node.start_mark.line) + 1


def lines(root: yaml.Node) -> dict[Path, int]:
    """The line of every entry; one of a mapping is at its key's line, also when its value begins further down."""
    found: dict[Path, int] = {(): line_of(root)}
    _gather(root, (), found)
    return found


def _gather(node: yaml.Node, path: Path, found: dict[Path, int]) -> None:
    for step, marked, value in _entries(node):
        if (*path, step) not in found:
            found[*path, step] = line_of(marked)
            _gather(value, (*path, step), found)


def _entries(node: yaml.Node) -> list[tuple[Step, yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        return [(key_text(key), key, value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [(index, item, item) for index, item in enumerate(node.value)]
    return []


def existing(known: Mapping[Path, int], loc: Sequence[Step]) -> Path:
    """`loc` as far as the file has it, without a missing key or the name of a union's branch."""
    path: Path = ()
    for step in loc:
        if (*path, step) in known:
            path = (*path, step)
    return path


def dotted(path: Sequence[Step]) -> str:
    """`devices.1.id`."""
    return ".".join(map(str, path))
