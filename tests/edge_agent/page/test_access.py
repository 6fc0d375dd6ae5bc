"""Who may see the page."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from devices.driver import Request
from edge_agent.page.access import Access, Guesses

HOST = {"host": "192.0.2.9:8641"}


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + b64encode(f"anybody:{password}".encode()).decode()}


def status(access: Access, method: str, headers: dict[str, str], now: float = 0.0, peer: str = "192.0.2.1") -> int:
    refused = access.refusal(Request(method, "/", {}, headers, b""), peer, now)
    return refused.status if refused else 200


@pytest.fixture
def access(tmp_path: Path) -> Access:
    (tmp_path / "password").write_text("right\n")
    return Access(tmp_path / "password")


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", HOST | basic("right"), 200),
        ("GET", {"host": "localhost"} | basic("right"), 200),
        ("GET", {"host": "[2001:db8::1]:8641"} | basic("right"), 200),
        ("GET", HOST | basic("wrong"), 401),
        ("GET", HOST | basic(""), 401),
        ("GET", HOST | {"authorization": "Bearer right"}, 401),
        ("GET", HOST | {"authorization": "Basic %%%"}, 401),
        ("GET", HOST, 401),
        ("GET", {"host": "evil.example:8641"} | basic("right"), 421),
        ("GET", {"host": "192.0.2.9.evil.example"} | basic("right"), 421),
        ("GET", {"host": "[bad"} | basic("right"), 421),
        ("GET", basic("right"), 421),
        ("GET", HOST | basic("right") | {"origin": "http://evil.example"}, 403),
        ("POST", HOST | basic("right"), 403),
        ("POST", HOST | basic("right") | {"origin": "null"}, 403),
        ("POST", HOST | basic("right") | {"origin": "http://192.0.2.9:8641"}, 200),
    ],
)
def test_only_who_has_the_password_and_comes_from_the_page_itself(
    access: Access, method: str, headers: dict[str, str], expected: int
) -> None:
    """A name that another site made point here, and another site's page, are refused with the right password too."""
    assert status(access, method, headers) == expected


def test_without_a_password_nobody_comes_in(tmp_path: Path) -> None:
    """Neither with an empty file nor without one."""
    (tmp_path / "empty").write_text("\n")
    assert status(Access(tmp_path / "empty"), "GET", HOST | basic("")) == 401
    assert status(Access(tmp_path / "nothing"), "GET", HOST | basic("")) == 503


def test_a_guesser_waits_longer_each_time_and_nobody_else_does(access: Access) -> None:
    """After a few wrong ones not even the right one is heard, until the time is over."""
    assert [status(access, "GET", HOST | basic("wrong")) for _ in range(5)] == [401] * 4 + [429]
    assert status(access, "GET", HOST | basic("right"), now=1.9) == 429
    assert status(access, "GET", HOST | basic("right"), now=1.9, peer="192.0.2.2") == 200
    assert status(access, "GET", HOST | basic("wrong"), now=2.0) == 401
    assert status(access, "GET", HOST | basic("right"), now=5.9) == 429
    assert status(access, "GET", HOST | basic("right"), now=6.0) == 200
    assert status(access, "GET", HOST | basic("wrong"), now=6.0) == 401


def test_a_day_of_guessing_is_some_hundred_guesses() -> None:
    """However many addresses of its IPv6 network one machine takes; asking without a password is none."""
    guesses, now, tried = Guesses(), 0.0, 0
    while now < 86_400:
        guesses.wrong(f"2001:db8::{tried:x}", now)
        tried += 1
        now += guesses.wait_s("2001:db8::ffff", now)
    assert 200 < tried < 400


def test_who_guessed_long_ago_is_forgotten() -> None:
    """What is remembered of strangers is bounded."""
    guesses = Guesses()
    for number in range(5):
        guesses.wrong("192.0.2.1", float(number))
    for number in range(1000):
        guesses.wrong(f"198.51.{number // 250}.{number % 250}", 5.0)
    assert guesses.wait_s("192.0.2.1", 5.0) == 0
