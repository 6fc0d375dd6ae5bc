"""The world has teeth: every fault planted in the product is noticed within a few seeds."""

from __future__ import annotations

import pytest

from simulation.world.play import play
from tests.simulation.mutants import MUTANTS

SEEDS = 60
FIRST = {"digest ignored on duplicate": 80}  # batches that overlap in part are rare: one comes soon after this seed
WANTED = {
    "receipt before commit",
    "delete on puback",
    "broker acknowledgement before commit",
    "no duplicate check",
    "high water duplicate check",
    "claim before authentication",
    "digest ignored on duplicate",
    "cumulative receipt",
    "key dropped before cutting",
    "seq from max seq",
    "derived nonce",
    "tombstone lost",
    "batch re cut after sending",
    "wall clock for intervals",
}


def test_the_mutants_are_those_that_were_promised() -> None:
    """Each promise of the design has a mutant that takes it away."""
    assert set(MUTANTS) >= WANTED


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_fault_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some early seed breaks a promise that the product as it is keeps in the same seed."""
    first = FIRST.get(name, 0)
    MUTANTS[name](monkeypatch)
    caught = next((seed for seed in range(first, first + SEEDS) if play(seed, None).fault), None)

    assert caught is not None
    monkeypatch.undo()
    assert play(caught, None).fault == ""
