"""What was recorded of every driver's devices decodes to what stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.registry import BUILT_IN
from tests.devices.cases import decoded, drop_cases

CAPTURES = [
    pytest.param(name, capture, id=f"{name}-{capture.stem}")
    for name, package in sorted(BUILT_IN.items())
    for capture in drop_cases(package.removeprefix("devices."))
]


@pytest.mark.parametrize(("name", "capture"), CAPTURES)
def test_a_capture_decodes_as_recorded(name: str, capture: Path) -> None:
    """Every capture in a driver's `cases` gives exactly the records and rejections that are written down."""
    found, expected = decoded(name, capture)
    assert found == expected
