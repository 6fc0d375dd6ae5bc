"""A count by hand beside a camera's own, and how far the camera is off."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from edge_agent.page.audit import Audit, error_pct
from records.types import CountAudit
from tests.edge_agent.boxes import NOON

END = NOON + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("counted", "tapped", "error"),
    [
        (97, 100, "-3.0"),
        (100, 100, "0.0"),
        (3, 2, "50.0"),
        (1, 3, "-66.7"),
        (2001, 2000, "0.1"),  # 0.05 is rounded away from zero
        (1999, 2000, "-0.1"),
        (0, 7, "-100.0"),
        (5, 0, None),
        (0, 0, None),
    ],
)
def test_the_error_is_exact(counted: int, tapped: int, error: str | None) -> None:
    """In % of what a person counted, to one decimal; unknown where the person counted nobody."""
    assert error_pct(counted, tapped) == (None if error is None else Decimal(error))


def test_only_what_happened_meanwhile_is_compared() -> None:
    """What the camera had counted before the start is none of it; each line and way stands for itself."""
    before = Counter({("door", True): 40, ("door", False): 38, ("side", True): 2})
    audit = Audit(["door", "side"], before, NOON)
    for number, (line, inward) in enumerate([("door", True)] * 3 + [("door", False), ("side", False)]):
        audit.tap(str(number), line, inward=inward)
    after = before + Counter({("door", True): 2, ("door", False): 1, ("side", True): 1})
    assert audit.lines(after, END) == [
        CountAudit("door", NOON, END, tapped_in=3, tapped_out=1, counted_in=2, counted_out=1),
        CountAudit("side", NOON, END, tapped_in=0, tapped_out=1, counted_in=1, counted_out=0),
    ]


def test_a_tap_counts_once_however_often_it_is_sent() -> None:
    """The network may bring it again; a tap at no line is none; the last one can be taken back."""
    audit = Audit(["door"], Counter(), NOON)
    for id_, line in (("1", "door"), ("1", "door"), ("2", "nowhere"), ("3", "door")):
        audit.tap(id_, line, inward=True)
    assert audit.lines(Counter(), END)[0].tapped_in == 2
    audit.undo()
    assert audit.lines(Counter(), END)[0].tapped_in == 1
    audit.undo()
    audit.undo()
    assert audit.lines(Counter(), END)[0].tapped_in == 0


def test_what_ended_stays_as_it_was() -> None:
    """Where it could not be stored at once, ending it again tells the same figures."""
    audit = Audit(["door"], Counter(), NOON)
    audit.tap("1", "door", inward=True)
    ended = audit.end(Counter({("door", True): 1}), END)
    audit.tap("2", "door", inward=True)
    audit.undo()
    assert audit.end(Counter({("door", True): 9}), END + timedelta(hours=1)) == ended
