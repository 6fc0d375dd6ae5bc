"""A store's file, read and checked whole. Opens that one file: no device, no network, none of the files it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from config.checks import Finding, findings
from config.document import Document, SyntaxFault, compose, plain
from config.faults import ConfigError, Fault
from config.models import model_at, rooted
from config.places import dotted, existing, lines
from config.store import StoreConfig
from config.wording import sentence

MAX_BYTES = 1_000_000

EMPTY = "the file says nothing; it needs at least store, box, data_dir and hq: begin with a copy of config/store.yaml"
TAB = 'a tab; YAML is indented with spaces (inside "…" a tab is written \\t)'


def load(path: Path) -> StoreConfig:
    """The file's settings, its relative paths begun at its folder; `ConfigError` with everything that is wrong."""
    file = str(path)
    try:
        document = compose(_text(path))
    except SyntaxFault as fault:
        raise ConfigError([Fault(file, fault.line, "", fault.message)]) from None
    if document.root is None or _is_null(document.root):
        raise ConfigError([Fault(file, 1, "", EMPTY)])
    return rooted(_validated(file, document, document.root), path.absolute().parent)


def _is_null(root: yaml.Node) -> bool:
    return isinstance(root, yaml.ScalarNode) and plain(root) is None


def _text(path: Path) -> str:
    file = str(path)
    try:
        text = _content(path).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Fault(file, 0, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(file, line, "", "is not UTF-8 text; save the file as UTF-8")]) from None
    tabs = [Fault(file, number, "", TAB) for number, line in enumerate(text.split("\n"), 1) if "\t" in line]
    if tabs:
        raise ConfigError(tabs)
    return text


def _content(path: Path) -> bytes:
    file = str(path)
    if not path.exists():
        raise ConfigError([Fault(file, 0, "", "no such file; name the store's YAML file")])
    if not path.is_file():
        raise ConfigError([Fault(file, 0, "", "is not a file; name the store's YAML file")])
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigError([Fault(file, 0, "", "is larger than 1 MB; is it a store's YAML file?")])
    return content


def _validated(file: str, document: Document, root: yaml.Node) -> StoreConfig:
    refused = list(findings(document))
    found = list({(item.line, item.message): item for item in reversed(refused)}.values())
    data = plain(root)
    try:
        config = StoreConfig.model_validate(data)
    except ValidationError as error:
        found += _unseen(refused, _complaints(error, root, data))
    if found:
        found.sort(key=lambda item: (item.line, dotted(item.path)))
        raise ConfigError([Fault(file, item.line, dotted(item.path), item.message) for item in found])
    return config


def _complaints(error: ValidationError, root: yaml.Node, data: object) -> Iterator[Finding]:
    known = lines(root)
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            continue  # the list is long enough: its invalid entries, told by themselves, are not counted
        loc = details["loc"]
        path = existing(known, loc)
        line = known[path]
        if details["type"] == "missing":
            path = (*path, loc[-1])
        yield Finding(line, path, sentence(details, model_at(StoreConfig, data, path)))


def _unseen(known: list[Finding], complaints: Iterator[Finding]) -> list[Finding]:
    """One complaint a place, and none about a place that is refused already."""
    seen = {item.path for item in known}
    first = {item.path: item for item in reversed(list(complaints))}
    return [item for path, item in first.items() if path not in seen]
