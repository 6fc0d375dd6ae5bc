"""The deterministic world: seeds full of faults, in which every promise is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from simulation.world.plan import SUDDEN
from simulation.world.play import play, play_many
from simulation.world.world import Result, World

SEEDS = 1_000
PARTS = 4
LONG_SEEDS = 20_000
RATED = ("lost", "doubled", "delayed", "changed", "deaf", "unsure commit")
FIRED = (
    "crash before commit",
    "crash after commit",
    "torn commit",
    "error before commit",
    "error after commit",
    "commit on a full disk",
    "worker crash before commit",
    "worker crash after commit",
    "image restored",
    "clone",
    "taken over",
    "partitioned",
    "evicted",
    "refused",
    "asked again",
)


def broken(results: list[Result]) -> list[str]:
    return [f"seed {result.seed}: {result.fault}" for result in results if result.fault]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_is_kept_in_every_seed(part: int) -> None:
    """However faults of every kind fall together, nothing is lost, doubled or stuck; what is complete is complete."""
    each = SEEDS // PARTS
    results = list(play_many(part * each, each, jobs=1))
    counts = sum((result.counts for result in results), Counter[str]())

    assert broken(results) == []
    assert all(result.counts[kind] for result in results for kind in SUDDEN)
    assert all(counts[kind] for kind in (*RATED, *FIRED)), counts
    assert counts["stored"] > 10 * each


@pytest.mark.long
def test_twenty_thousand_seeds() -> None:
    """The same of twenty times as many."""
    results = list(play_many(SEEDS, LONG_SEEDS, jobs=os.cpu_count() or 1))

    assert len(results) == LONG_SEEDS
    assert not broken(results), "\n".join(broken(results))


def test_the_same_seed_is_the_same_world() -> None:
    """Two runs of a seed leave the same trace, also in another process, where sets and dicts hash otherwise."""
    here = play(5, None)
    lines: list[str] = []
    assert play(5, lines).hash == here.hash
    assert play(6, None).hash != here.hash
    there = subprocess.run(
        [sys.executable, "-m", "simulation.world", "--first", "5", "--seeds", "1", "--trace"],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout == "".join(lines) + f"hash {here.hash}\nevery promise was kept\n"


def test_a_broken_promise_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a fault planted the command names the promise, the seed and the way to its trace, and fails."""
    from simulation.world.__main__ import main
    from tests.simulation.mutants import MUTANTS

    MUTANTS["derived nonce"](monkeypatch)
    monkeypatch.setattr(sys, "argv", ["world", "--first", "3", "--seeds", "2"])

    assert main() == 1
    said = capsys.readouterr().out
    assert "nonce twice" in said
    assert "seed 3; see it again: python -m simulation.world --first 3 --seeds 1 --trace" in said
    assert "2 broken" in said


def test_a_bug_passes_through_and_its_seed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no broken promise but a fault of the program ends the run, and says how to see it again."""

    def run(_: World) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(World, "run", run)

    with pytest.raises(KeyError, match="planted"):
        play(7, None)
    assert "seed 7; see it again" in capsys.readouterr().err

    monkeypatch.undo()
    play(7, None)
    assert capsys.readouterr().err == ""
