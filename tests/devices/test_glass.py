"""Between a camera's thread and who looks: nothing for nobody, and nothing that stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from devices.glass import Glass, Shown
from tests.edge_agent.page.site import until

SHOWN = Shown(b"jpeg", 640, 480)


def test_who_waits_gets_the_next_picture_and_nobody_after_them() -> None:
    """All who wait get the same one; then it is gone."""
    glass = Glass()
    with ThreadPoolExecutor(2) as people:
        looks = [people.submit(glass.look, 60.0) for _ in range(2)]
        until(lambda: glass.wanted, "somebody waits")
        while not all(look.done() for look in looks):
            glass.show(SHOWN)
        assert [look.result() for look in looks] == [SHOWN, SHOWN]
    assert not glass.wanted
    assert glass.look(0.0) is None


def test_what_nobody_waits_for_is_not_kept() -> None:
    """A picture that is shown too early or too late is none."""
    glass = Glass()
    glass.show(SHOWN)
    assert glass.look(0.01) is None
    glass.show(SHOWN)
    assert SHOWN not in vars(glass).values()
