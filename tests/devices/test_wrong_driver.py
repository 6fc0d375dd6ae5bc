"""No sample of any device makes a driver fail, its own or another's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from devices.driver import Context, Reading, Rejected
from devices.registry import BUILT_IN
from edge_agent.cleaning import Moment, Policy, clean, quarantine
from tests.devices.cases import decoder_of
from tests.devices.test_fuzz import AT, settings
from tests.samples import SHARED, needs_samples

HEAD = 8 * 1024  # of a file; a driver that takes its first pieces for noise takes the rest so
MASKED = 50  # of so many rejects one is masked too, which is the dearest of all
POLICY, MOMENT = Policy(bytes(32)), Moment(AT + timedelta(hours=1))


def files() -> list[Path]:
    return sorted(path for path in (SHARED or Path()).glob("samples/**/*") if path.is_file())


@needs_samples
@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_no_sample_breaks_a_driver(name: str) -> None:
    """What comes out of the wrong device's bytes are readings or rejects that the cleaning takes."""
    chosen, heard, told = settings(name), 0, 0
    for path in files():
        with path.open("rb") as file:
            data = file.read(HEAD)
        decoder = decoder_of(name, Context(), **chosen)
        for item in [*decoder.feed(data, AT), *decoder.end(AT)]:
            told += 1
            kept = clean(item, "wrong", POLICY, MOMENT) if isinstance(item, Reading) else item
            assert not isinstance(kept, Rejected) or kept.reason
            if isinstance(kept, Rejected) and told % MASKED == 0:
                quarantine(kept, "wrong")
        heard += 1
    assert heard > 100
