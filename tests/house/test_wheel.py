"""What is installed on a mini-PC: the wheel holds every file that the code reads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
PACKAGES = ["records", "devices", "cloud_sync", "edge_agent", "hq", "config", "simulation"]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy, since building leaves things behind."""
    for package in PACKAGES:
        shutil.copytree(HOUSE / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "cases"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(HOUSE / name, tmp_path)
    return tmp_path


def test_the_wheel_holds_the_whole_house(house: Path) -> None:
    """Every file of every package is in the wheel, except recorded cases, which only tests read."""
    files = {
        str(file.relative_to(house)) for package in PACKAGES for file in (house / package).rglob("*") if file.is_file()
    }
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*command, house, house], check=True)
    (built,) = house.glob("*.whl")

    assert sorted(files - set(zipfile.ZipFile(built).namelist())) == []
