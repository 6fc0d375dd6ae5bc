"""The till that every test has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.devices.pos_sql.till import Till


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(tmp_path)
