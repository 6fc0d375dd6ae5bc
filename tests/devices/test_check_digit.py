"""The check digit of GS1's numbers."""

from __future__ import annotations

from biip.checksums import gs1_standard_check_digit
from hypothesis import given
from hypothesis import strategies as st

from devices.check_digit import check_digit


@given(st.text("0123456789", min_size=1, max_size=20))
def test_it_is_the_one_that_gs1_says(digits: str) -> None:
    """As another implementation computes it, for any number of digits."""
    assert check_digit(digits) == gs1_standard_check_digit(digits)
