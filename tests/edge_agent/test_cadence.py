from __future__ import annotations

import pytest

from edge_agent.recorder.cadence import Cadence


def after(gap_s: float, count: int = 50) -> Cadence:
    cadence = Cadence()
    for number in range(count):
        cadence.came(number * gap_s, 1)
    return cadence


@pytest.mark.parametrize(("gap_s", "linger_s"), [(0.05, 0.05), (1.0, 1.5), (0.5, 1.5), (30.0, 0.05)])
def test_company_is_awaited_where_it_is_about_to_come(gap_s: float, linger_s: float) -> None:
    """Records a second apart wait for each other; those that come fast or seldom go at once."""
    assert after(gap_s).linger_s(0.05, 1.5) == linger_s


def test_a_burst_after_silence_waits_for_nobody_soon() -> None:
    """Within ten records of a burst the waiting ends."""
    cadence = after(60.0)
    for number in range(10):
        cadence.came(3_000.0 + number * 0.05, 1)

    assert cadence.linger_s(0.05, 1.5) == 0.05
