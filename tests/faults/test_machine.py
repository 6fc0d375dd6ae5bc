"""Real power cuts, of a virtual machine that runs the agent as a service."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import Run
from tests.faults.machine import AT_LEAST, NEEDED

MISSING = [program for program in NEEDED if not shutil.which(program)]


@pytest.mark.long
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@pytest.mark.skipif(os.geteuid() != 0, reason="a Debian tree can be made by root alone")
def test_a_machine_whose_power_is_cut_keeps_every_ticket_it_told_of(tmp_path: Path, run: Run) -> None:
    """After each of twenty cuts the disk recovers, and every ticket that was told as taken is in the buffer, once."""
    report = run("machine", tmp_path, 1, 20)

    assert report["found"] == {}, report
    assert report["cuts"] == 20, report
    assert report["fewest_files"] >= AT_LEAST, report
    assert report["recovered"] >= 20, "no cut left the file system with something to recover"
    assert report["tickets"] > 1_000, report
