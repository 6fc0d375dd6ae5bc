"""Ranges of numbers, both ends included."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[int, int]


def spans_of(numbers: Iterable[int]) -> list[Span]:
    """The contiguous ranges of rising numbers."""
    found: list[Span] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def gaps(span: Span, taken: Iterable[Span]) -> list[Span]:
    """What of `span` no range of `taken` covers; `taken` may overlap and reach beyond it."""
    free: list[Span] = []
    at, last = span
    for first, end in sorted(taken):
        if at < min(first, last + 1):
            free.append((at, min(first - 1, last)))
        at = max(at, end + 1)
    if at <= last:
        free.append((at, last))
    return free


def size(spans: Iterable[Span]) -> int:
    """How many numbers they cover, overlaps counted twice."""
    return sum(last - first + 1 for first, last in spans)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same numbers in as few ranges as hold them, rising."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def covers(spans: Sequence[Span], number: int) -> bool:
    """Whether a number is in one of these, which are `merged`."""
    place = bisect_right(spans, (number, 2**63))
    return place > 0 and spans[place - 1][1] >= number
