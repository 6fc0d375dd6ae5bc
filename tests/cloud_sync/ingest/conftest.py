"""A box for every test of ingest."""

from __future__ import annotations

import pytest

from tests.cloud_sync.ingest.box import Box


@pytest.fixture
def box() -> Box:
    return Box()
