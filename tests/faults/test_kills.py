"""SIGKILL at random moments: of a recorder, of a device's thread with its recorder, of the whole agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import Run


@pytest.mark.parametrize("kills", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_killed_recorder_keeps_what_it_confirmed(memory: Path, run: Run, kills: int) -> None:
    """Over one growing file, ten records or more between kills, every confirmed record is there, once."""
    report = run("kills", memory, 1, kills, "committed")

    assert report["faults"] == {}, report["examples"]
    assert report["behind_at_start"] == 0, report
    assert report["kills"] == kills, report
    assert report["fewest_records_in_a_life"] >= 10, report
    assert report["submitted_again"] > kills / 10, "no record with an identity was submitted a second time"
    assert report["early_kills"] > kills / 20, report


def test_a_confirmation_before_the_commit_is_found_out(memory: Path, run: Run) -> None:
    """A source that takes its records for confirmed as it submits them loses some."""
    report = run("kills", memory, 1, 60, "submitted")

    assert report["behind_at_start"] > 0, report


def test_no_ticket_is_lost_or_doubled_between_commit_and_confirmation(memory: Path, run: Run) -> None:
    """Killed right before and right after it tells the drop folder, or at random, an agent has every ticket once."""
    report = run("kills_of_source", memory, 1, 99)

    assert (report["lost"], report["doubled"], report["files_left"]) == (0, 0, 0), report
    assert report["kills"] == {"before": 33, "after": 33, "random": 33}, report
    assert report["files"] - report["files_before_the_last_life"] > 99, report


@pytest.mark.parametrize(
    ("kills", "how"), [(100, "forked"), (3, "command"), pytest.param(300, "command", marks=pytest.mark.long)]
)
def test_a_killed_agent_loses_and_doubles_no_ticket(tmp_path: Path, run: Run, kills: int, how: str) -> None:
    """`edge-agent run` killed whole, ten tickets or more confirmed between kills, has every ticket once."""
    report = run("agent_kills", tmp_path, 1, kills, how)

    assert (report["lost"], report["doubled"]) == (0, 0), report
    assert report["kills"] == kills, report
    assert report["fewest"] >= 10, report
