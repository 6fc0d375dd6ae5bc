"""A source of records, the same from the same seed, that goes on from where the buffer's state says it was."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import chain, islice
from random import Random

from records import Record, to_wire
from simulation.traffic import records
from tests.faults.store_side import NOON, Submission

DEVICE = "source"


def fingerprint(plain: bytes) -> bytes:
    """What a record is told by, as these tests compare them."""
    return sha256(plain).digest()[:16]


class Supply:
    """`count` submissions of one to `most` records; every third gives its records identities of their source."""

    def __init__(self, seed: int, count: int, most: int) -> None:
        random = Random(seed)
        made = records(random, NOON)
        self._records: list[list[Record]] = [list(islice(made, random.randint(1, most))) for _ in range(count)]
        self.fingerprints: list[Sequence[bytes]] = [
            [fingerprint(to_wire(record)) for record in group] for group in self._records
        ]

    def __len__(self) -> int:
        return len(self._records)

    def upto(self, number: int) -> frozenset[bytes]:
        """Fingerprints of everything up to and with this submission."""
        return frozenset(chain.from_iterable(self.fingerprints[:number]))

    def size(self, first: int, last: int) -> int:
        """Records in these submissions."""
        return sum(len(group) for group in self._records[first - 1 : last])

    def submission(self, number: int) -> Submission:
        """The number-th, from 1; its number is the cursor that commits with it."""
        group = self._records[number - 1]
        identities = [f"{number}/{place}" if number % 3 == 0 else None for place in range(len(group))]
        return Submission(DEVICE, group, identities, {"cursor": b"%d" % number}, True)
