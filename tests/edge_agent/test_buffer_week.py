"""A week without network, on a simulated clock: what it costs on disk, in memory and at the next start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESERVE = 24 * 2**20  # free pages and a log that is never truncated


@pytest.mark.parametrize("records", [300_000, pytest.param(3_000_000, marks=pytest.mark.long)])
def test_a_week_without_network_costs_disk_alone(records: int, tmp_path: Path) -> None:
    """With a backlog of a tenth of a week memory stays where it was, and a start reads no more than with next to none.

    How long the starts took is printed, beside the one after the first day.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.week", str(records), "--json"],
        cwd=ROOT,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    figures = {each["figure"]: each for each in json.loads(done.stdout)}

    assert figures["week_records"]["value"] >= records
    assert figures["week_bytes_per_record"]["value"] < 200 + RESERVE / records
    assert figures["week_rss_growth_mb"]["value"] <= 10
    assert figures["week_start_reads"]["value"] <= figures["week_start_reads"]["baseline"] + 100
