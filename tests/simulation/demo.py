"""`simulation.demo` as `scripts/demo` runs it, and what headquarters' tables hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"accepted", "stored", "lost", "duplicated", "quarantined", "by_type"}
COMMAND = [sys.executable, "-m", "simulation.demo"]


def once(*arguments: str) -> tuple[dict[str, Any], str]:
    """The last line of a day at once, and what was said meanwhile; it exited with 0."""
    run = subprocess.run([*COMMAND, "--once", "--json", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:] + run.stdout[-2000:]
    return json.loads(run.stdout.splitlines()[-1]), run.stderr


def assert_clean(outcome: dict[str, Any]) -> None:
    """At least ten thousand records, each stored once."""
    assert outcome.keys() >= NAMES
    assert outcome["accepted"] >= 10_000
    assert outcome["stored"] == outcome["accepted"] == sum(outcome["by_type"].values())
    assert (outcome["lost"], outcome["duplicated"], outcome["sales_twice"]) == (0, 0, 0)
    assert outcome["quarantined"] == outcome["by_type"]["quarantine"]
