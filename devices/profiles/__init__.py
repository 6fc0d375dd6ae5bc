"""Mappings that ship, one YAML file a profile: of documents, and with `tables` of databases."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

Shape = Literal["documents", "database"]


@cache
def names(shape: Shape) -> tuple[str, ...]:
    """The profiles for sources of that shape."""
    files = (file.name for file in resources.files(__name__).iterdir())
    found = sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))
    return tuple(name for name in found if ("tables" in _read(name)) == (shape == "database"))


def profile(name: str, shape: Shape) -> Mapping[str, Any]:
    """What the profile says, as plain data; `ValueError` with what there is when it is none."""
    known = names(shape)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}"
        raise ValueError(f"no profile '{name}'{hint}")
    return _read(name)


@cache
def _read(name: str) -> Mapping[str, Any]:
    text = (resources.files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")
    data: Mapping[str, Any] = yaml.safe_load(text)
    return data
