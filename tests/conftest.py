"""What all tests share: the same examples on every run, no deadline on a shared machine, samples where they are."""

import signal

import pytest
from hypothesis import settings

from tests.samples import PLACE, SHARED

pytest_plugins = ["tests.services"]

# Whatever starts tests in the background may have SIGINT ignored; children would inherit that and hear no Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("house", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=2_000)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what reads the samples where there are none."""
    if SHARED:
        return
    absent = pytest.mark.skip(reason=f"{PLACE} is absent and STORE_EDGE_SHARED names no other place")
    for item in items:
        if item.get_closest_marker("samples"):
            item.add_marker(absent)
