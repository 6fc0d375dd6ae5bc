"""Rot: flipped bits and damaged pages of a closed buffer file, each noticed, and what it cost named."""

from __future__ import annotations

from random import Random

import pytest

from edge_agent.buffer.schema import PAGE
from tests.faults.rot import CUT, UNCUT, Found, Stored

HEAD = 100  # bytes before the first page's own


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return Stored(tmp_path_factory.mktemp("rot") / "file")


@pytest.fixture(scope="module")
def damaged(stored: Stored) -> dict[int, Found]:
    """What is left of the file after each of its pages in turn was filled with noise."""
    random, found = Random(1), {}
    for page in range(1, stored.pages + 1):
        stored.trash(page, random.randbytes(PAGE))
        found[page] = stored.look()
    return found


@pytest.mark.xdist_group("rot")
@pytest.mark.parametrize(("seed", "flips"), [(1, 1_000), pytest.param(2, 20_000, marks=pytest.mark.long)])
def test_each_flipped_bit_that_changes_a_stored_record_is_noticed(stored: Stored, seed: int, flips: int) -> None:
    """Of a thousand, none leaves a record that is taken for whole and is not what was stored, nor a number unnamed."""
    random, noticed, salvaged = Random(seed), 0, 0
    for bit in random.sample(range(len(stored.bytes) * 8), flips):
        stored.flip(bit)
        found = stored.look()

        gone = stored.numbers - found.numbers
        assert not found.wrong, f"bit {bit}: {sorted(found.wrong)[:3]} are not what was stored"
        assert found.header == stored.header, f"bit {bit}"
        assert not found.salvaged or gone <= found.named, f"bit {bit}: {len(gone - found.named)} gone and not named"
        noticed += bool(gone)
        salvaged += found.salvaged
    print(f"flips {flips}: {noticed} cost a record or a batch, {salvaged} the file; all noticed")
    assert noticed > flips // 4
    assert salvaged > 0


@pytest.mark.xdist_group("rot")
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.long)])
def test_a_flipped_bit_in_the_files_head_costs_no_record(stored: Stored, every: int) -> None:
    """It is as nothing, or the file is salvaged; it makes no file newer, older, or one that cannot be written."""
    telling = [bit for byte in (18, 63) for bit in range(8 * byte, 8 * byte + 8)]  # who may write, the format's version
    less = {}
    for bit in sorted({*range(0, HEAD * 8, every), *telling}):
        stored.flip(bit)
        found = stored.look()
        if (found.numbers, found.wrong, found.header) != (stored.numbers, set(), stored.header):
            less[bit] = len(stored.numbers - found.numbers)
    assert less == {}


@pytest.mark.xdist_group("rot")
def test_an_epochs_header_survives_any_one_damaged_page(stored: Stored, damaged: dict[int, Found]) -> None:
    """Whichever page is lost, one of the header's three copies is on another."""
    assert [page for page, found in damaged.items() if found.header != stored.header] == []


@pytest.mark.xdist_group("rot")
def test_an_epochs_header_survives_bits_flipped_in_the_list_of_epochs(stored: Stored) -> None:
    """Neither a rotten id, nor a rotten index, nor a page that seems to have fewer rows hides it."""
    lost = []
    for bit in stored.bits_of("epoch"):
        stored.flip(bit)
        if stored.look().header != stored.header:
            lost.append(bit)
    assert lost == []
    assert len(stored.bits_of("epoch")) > 200


@pytest.mark.xdist_group("rot")
def test_a_damaged_page_costs_its_rows_or_the_one_batch_that_touches_it(
    stored: Stored, damaged: dict[int, Found]
) -> None:
    """Page by page: nothing is gone that did not stand there, and all that is gone is named."""
    gone = {page: stored.numbers - found.numbers for page, found in damaged.items()}
    more = {page: gone[page] - stored.standing_on(page) for page in gone}
    unnamed = {page: gone[page] - found.named for page, found in damaged.items() if found.salvaged}

    assert {page: len(numbers) for page, numbers in more.items() if numbers} == {}
    assert {page: len(numbers) for page, numbers in unnamed.items() if numbers} == {}
    assert not any(found.wrong for found in damaged.values())
    assert set().union(*gone.values()) == stored.numbers, "some record stood on no page"
    assert len(stored.numbers) >= CUT + UNCUT
    print(
        f"pages {stored.pages}: {sum(map(bool, gone.values()))} cost a record, the worst {max(map(len, gone.values()))}"
    )
