"""Recorded samples that lie beside the checkout, never in it.

`@needs_samples` marks a test, or with `pytestmark = needs_samples` a module, that reads `SHARED`; where that is absent
`conftest` skips it with the reason.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PLACE = Path(os.environ.get("STORE_EDGE_SHARED") or Path(__file__).resolve().parents[2] / "shared")

SHARED: Path | None = PLACE if PLACE.is_dir() else None

needs_samples = pytest.mark.samples
