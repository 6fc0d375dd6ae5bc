"""The locks: complete, hashed, bounded, and silent about where they were made."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = {
    "agent": PROJECT["dependencies"],
    "hq": PROJECT["dependencies"] + EXTRAS["hq"],
    "dev": PROJECT["dependencies"] + [line for extra in EXTRAS.values() for line in extra],
}

lock = pytest.mark.parametrize("name", list(WANTED))


def requirements(name: str) -> dict[str, list[str]]:
    """The hashes of every locked package by its name."""
    text = (HOUSE / "requirements" / f"{name}.lock").read_text()
    entries = re.findall(r"(?m)^([a-z0-9-]+)==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text)
    return {package: hashes.split() for package, hashes in entries}


@lock
def test_every_dependency_is_locked_with_hashes(name: str) -> None:
    """What the project asks for stands in the lock, and every line of a lock is a version or a hash."""
    wanted = {re.split(r"[\[<>=]", line)[0] for line in WANTED[name]}
    text = (HOUSE / "requirements" / f"{name}.lock").read_text()

    assert wanted <= requirements(name).keys()
    assert len(requirements(name)) == text.count("==")


@lock
def test_a_lock_tells_nothing_of_the_machine_that_made_it(name: str) -> None:
    """No address, index or path stands in a lock, so it installs from anywhere."""
    assert not re.search(r"[:/]/|--(index|find|extra)|@|file:", (HOUSE / "requirements" / f"{name}.lock").read_text())


def test_headquarters_libraries_stay_out_of_a_store() -> None:
    """What only HQ asks for is in HQ's lock and not in the store's."""
    heavy = {re.split(r"[\[<>=]", line)[0] for line in EXTRAS["hq"]}

    assert heavy <= requirements("hq").keys()
    assert not heavy & requirements("agent").keys()


@pytest.mark.parametrize("line", WANTED["dev"])
def test_every_dependency_has_bounds(line: str) -> None:
    """A dependency names the oldest release that will do and the first that is not trusted; tzdata is only data."""
    assert ">=" in line
    assert "<" in line or line.startswith("tzdata")
