"""Lines of text, whatever the pieces they come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.lines import Lines
from tests.devices.cases import pieces_of

TEXT = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"12345678", b"123456789"]), max_size=20).map(b"".join)


@given(text=TEXT, cuts=st.lists(st.integers(0, 200), max_size=6))
def test_chunking_does_not_matter(text: bytes, cuts: list[int]) -> None:
    """Every line comes once; of one that is too long its beginning, as of one that is cut."""
    lines = Lines(8)
    told = [line for piece in pieces_of(text, cuts) for line in lines.feed(piece)]
    whole, rest = text.split(b"\n")[:-1], text.split(b"\n")[-1]
    assert told == [line[:9] for line in whole] + ([rest[:9]] if len(rest) > 8 else [])
    assert lines.end() == (b"" if len(rest) > 8 else rest)
    assert lines.feed(b"c\n") == [b"c"]
