"""What a seed means: how many stores, how hard each kind of fault strikes, when epochs end and disks fill."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

SAFETY_S = 24.0


class Rates(NamedTuple):
    """Probabilities of a message, a connection or a commit at HQ."""

    lost: float
    doubled: float
    delayed: float
    changed: float
    deaf: float
    unsure: float


class Plan(NamedTuple):
    """strikes: how often each kind of sudden fault comes; epoch_s, full, linger_s: the recorder's policy
    capacity: bytes of each store's disk; clone: whether a second box with the first one's identity appears
    pace_s: mean seconds between two events of a source
    """

    seed: int
    stores: int
    rates: Rates
    strikes: dict[str, int]
    epoch_s: float
    full: int
    linger_s: float
    capacity: int
    clone: bool
    pace_s: float


SUDDEN = (
    "power cut",
    "agent crash",
    "worker crash",
    "link cut",
    "partition",
    "clock jump",
    "full disk",
    "broker restart",
    "database stop",
    "image restore",
    "commit error",
)
SMALL, LARGE = 113_000, 4_000_000


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    random = Random(seed * 7_919 + 1)
    often = [random.choice([0.02, 0.08, 0.25]) for _ in Rates._fields]
    rates = Rates(*often)._replace(changed=often[3] / 4)
    strikes = {kind: random.choice([1, 1, 1, 2]) for kind in SUDDEN} | {"image restore": 1}
    return Plan(
        seed,
        2,
        rates,
        strikes,
        epoch_s=random.choice([10.0, 30.0, 200.0]),
        full=random.choice([4, 12, 1500]),
        linger_s=random.choice([0.05, 1.0, 4.0]),
        capacity=random.choice([SMALL, LARGE]),
        clone=random.random() < 0.4,
        pace_s=random.choice([4.0, 8.0, 16.0]),
    )
