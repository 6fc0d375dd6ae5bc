"""Near names for a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing when no name is near."""
    near = get_close_matches(name[:64].lower(), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
