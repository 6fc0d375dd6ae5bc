"""A power cut at any moment of a recorder's life, as `power_cut` replays it from what reached the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import Run

SUBMISSIONS = 300
STATES = 12_500
MANY_STATES = 25_000


def _holds(report: dict) -> None:
    assert report["faults"] == {}, report["examples"]
    assert report["confirmed"] > SUBMISSIONS - 60, "too little was confirmed to mean something"
    assert report["evicted"] > 100, "no batch left the buffer"
    assert report["looked"]["torn"] > report["states"] / 3


@pytest.mark.parametrize("seed", [1, 2])
def test_a_power_cut_loses_nothing_that_was_confirmed(memory: Path, shim: Path, run: Run, seed: int) -> None:
    """In each of 12,500 states every confirmed record is there once, whole, under one number, and nothing else is."""
    report = run("power_cut", memory, seed, SUBMISSIONS, 3, 2, "FULL", 0, shim=shim)

    _holds(report)
    assert report["states"] >= STATES, report


@pytest.mark.long
@pytest.mark.parametrize("seed", range(101, 113))
def test_a_power_cut_loses_nothing_in_300_000_states(memory: Path, shim: Path, run: Run, seed: int) -> None:
    """The same in 25,000 states of each of twelve other runs."""
    report = run("power_cut", memory, seed, SUBMISSIONS, 4, 1, "FULL", 0, shim=shim)

    _holds(report)
    assert report["states"] >= MANY_STATES, report


def test_a_power_cut_while_the_reserve_is_written_loses_nothing(memory: Path, shim: Path, run: Run) -> None:
    """Filling the file with pages for bad times endangers nothing that was confirmed."""
    report = run("power_cut", memory, 3, 60, 1, 40, "FULL", 4 * 1024 * 1024, shim=shim)

    assert report["faults"] == {}, report["examples"]
    assert report["states"] > 400, report
    assert report["confirmed"] > 40, report


@pytest.mark.parametrize(("synchronous", "wanted"), [("NORMAL", {"lost"}), ("OFF", {"lost", "corrupt"})])
def test_a_buffer_that_syncs_less_is_found_out(
    memory: Path, shim: Path, run: Run, synchronous: str, wanted: set[str]
) -> None:
    """The replay sees the loss where the buffer does not sync at every commit."""
    report = run("power_cut", memory, 3, 100, 1, 10, synchronous, 0, shim=shim)

    assert report["states"] > 200, report
    assert wanted <= report["faults"].keys(), report
    assert report["looked"]["bad"] > 100, report
