"""Where in a file something stands: from a path of keys and indexes to a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import yaml

from config.document import key_text

Step = str | int


class Place(NamedTuple):
    """line: from 1. path: as far as it exists in the file."""

    line: int
    path: tuple[Step, ...]


def line_of(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def place(root: yaml.Node, loc: Sequence[Step]) -> Place:
    """Follows `loc` from the root; steps that the file does not have (a missing key, a union's branch) are skipped.

    An entry of a mapping is at its key's line, also when its value begins further down.
    """
    node, found = root, Place(line_of(root), ())
    for step in loc:
        entry = _entry(node, step)
        if entry is not None:
            line, node = entry
            found = Place(line, (*found.path, step))
    return found


def _entry(node: yaml.Node, step: Step) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key_text(key) == step:
                return line_of(key), value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return line_of(item), item
    return None


def dotted(path: Sequence[Step]) -> str:
    """`devices.1.id`."""
    return ".".join(map(str, path))
