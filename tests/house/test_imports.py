"""Who may import whom: the rules hold, and each of them catches what it is for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
PACKAGES = ["records", "devices", "cloud_sync", "edge_agent", "hq", "config", "simulation"]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of every package and of the rules, to plant an import in."""
    for package in PACKAGES:
        shutil.copytree(HOUSE / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HOUSE / ".importlinter", tmp_path)
    return tmp_path


def broken_rules(house: Path) -> list[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return [line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")]


def test_the_house_keeps_its_rules(house: Path) -> None:
    """No package imports what ARCHITECTURE.md denies it."""
    assert broken_rules(house) == []


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("records/planted.py", "import config", "records is a leaf"),
        ("devices/planted.py", "import cloud_sync", "devices import records alone"),
        ("cloud_sync/planted.py", "import devices", "cloud_sync imports records alone"),
        (
            "cloud_sync/uplink/planted.py",
            "import cloud_sync.ingest",
            "within cloud_sync, uplink and ingest stand apart on wire and seal",
        ),
        (
            "cloud_sync/seal/planted.py",
            "import cloud_sync.uplink",
            "within cloud_sync, uplink and ingest stand apart on wire and seal",
        ),
        ("config/planted.py", "import devices.csv_drop.driver", "config imports records and the options of drivers"),
        ("devices/csv_drop/options.py", "import requests", "options import no hardware library"),
        (
            "edge_agent/planted.py",
            "import hq",
            "the store's side and headquarters' side never import each other",
        ),
        (
            "hq/planted.py",
            "import edge_agent",
            "the store's side and headquarters' side never import each other",
        ),
        ("hq/planted.py", "import devices.options", "hq knows no device"),
        ("edge_agent/planted.py", "import psycopg", "nothing of headquarters' libraries reaches a store"),
        ("cloud_sync/wire/planted.py", "import nats", "nothing of headquarters' libraries reaches a store"),
        ("hq/planted.py", "import simulation", "nothing imports the simulation"),
    ],
)
def test_a_forbidden_import_is_caught(house: Path, module: str, line: str, rule: str) -> None:
    """One forbidden import anywhere breaks the rule that forbids it."""
    with (house / module).open("a") as file:
        file.write(f"\n{line}\n")

    assert rule in broken_rules(house)
