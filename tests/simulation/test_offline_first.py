"""A store that starts without headquarters."""

from __future__ import annotations

import re

import pytest

from tests.simulation.demo import assert_clean, once

pytestmark = pytest.mark.xdist_group("stage-2")


def test_the_first_half_of_the_day_without_headquarters() -> None:
    """The agent boots cold and accepts thousands of records; when broker and database come, all of it arrives."""
    outcome, said = once("--offline-first")
    assert_clean(outcome)
    (before,) = re.findall(r"(\d+) records accepted without headquarters", said)
    assert int(before) >= 4_000
    assert said.index("without headquarters") < said.index("starting headquarters")
