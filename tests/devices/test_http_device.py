"""Asking devices over HTTP: what they may do wrong, and what is said about it."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.digest import Login, challenges, digest
from devices.driver import DeviceOffline
from devices.http_device import HttpDevice
from devices.http_reply import BadReply, Reply
from devices.options import HttpAccess
from devices.simulator import Message
from tests.devices.cases import pieces_of
from tests.devices.web_device import LOGIN, answering, asked, password, serving, talking

OK = b"HTTP/1.1 200 OK\r\n"


def access(url: str, **settings: object) -> HttpDevice:
    return HttpDevice(HttpAccess.model_validate({"url": url, "timeout_s": 2, **settings}))


def refused(url: str, **settings: object) -> str:
    with pytest.raises(DeviceOffline) as caught:
        access(url, **settings).get("/x", 1000)
    return str(caught.value)


def test_digest_is_that_of_the_standard() -> None:
    """The worked example of RFC 7616, section 3.9.1, in both of its algorithms."""
    header = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    wanted = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }
    for algorithm, response in wanted.items():
        challenge = challenges([header.format(algorithm)])["digest"]
        login = Login("Mufasa", "Circle of Life")
        told = digest(challenge, login, "GET", "/dir/index.html", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1)
        assert told is not None
        assert challenges([told])["digest"]["response"] == response


def test_digest_without_qop_is_the_older_one() -> None:
    """Old devices challenge without qop; the example of RFC 2069 with its published erratum."""
    challenge = {"realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093"}
    told = digest(challenge, Login("Mufasa", "CircleOfLife"), "GET", "/dir/index.html", "", 1)
    assert told is not None
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in told
    assert "qop" not in told


def test_an_unknown_challenge_is_not_answered() -> None:
    """Neither an algorithm that is not known, nor integrity protection alone, nor a challenge without nonce."""
    login = Login("a", "b")
    for challenge in ({"nonce": "n", "algorithm": "MD4"}, {"nonce": "n", "qop": "auth-int"}, {}):
        assert digest(challenge, login, "GET", "/", "c", 1) is None


def test_a_device_is_asked_with_its_password(tmp_path: Path) -> None:
    """The digest login goes through, and later questions use the same challenge."""
    with serving() as way:
        device = access(way.url, user=LOGIN.user, password_file=password(tmp_path))
        for text in (b"", b""):
            assert device.get("/cgi?a=1&b=[2]", 1000) == text
    heard: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        heard.append(asked(connection))
        known = b"Authorization: Digest" in heard[-1]
        told = b"Content-Length: 2\r\n\r\nok" if known else b""
        head = OK if known else b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n\r\n'
        connection.sendall(head + told)

    with talking(talk) as url:
        device = access(url, user=LOGIN.user, password_file=password(tmp_path))
        assert [device.get("/x", 10) for _ in range(3)] == [b"ok"] * 3
    assert [b"Authorization" in question for question in heard] == [False, True, True, True]
    assert LOGIN.password.encode() not in b"".join(heard)
    assert [b"nc=0000000%d" % n in question for n, question in enumerate(heard[1:], 1)] == [True] * 3


def test_a_wrong_password_is_said_without_being_told(tmp_path: Path) -> None:
    """The reason names what to check, never the password."""
    with serving() as way:
        reason = refused(way.url, user=LOGIN.user, password_file=password(tmp_path, "wrong-word"))
        assert "refuses user and password" in reason
        assert "wrong-word" not in reason
        assert "set user and password_file" in refused(way.url)
        assert "password_file" in refused(way.url, user="a", password_file=tmp_path / "none")


def test_basic_is_spoken_only_where_it_is_set(tmp_path: Path) -> None:
    """A device that offers basic alone is refused until `auth` allows it."""

    def talk(connection: socket.socket) -> None:
        known = b"Authorization: Basic Y291bnRlcjpwYSJzcw==" in asked(connection)
        head = OK + b"Content-Length: 2\r\n\r\nok"
        connection.sendall(head if known else b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="r"\r\n\r\n')

    told = {"user": LOGIN.user, "password_file": password(tmp_path)}
    with talking(talk) as url:
        assert "login other than digest" in refused(url, **told)
        assert access(url, auth="basic", **told).get("/x", 10) == b"ok"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", "sends elsewhere"),
        (b"HTTP/1.1 403 No\r\n\r\n", "may not read"),
        (b"HTTP/1.1 404 No\r\n\r\n", "knows no"),
        (b"HTTP/1.1 500 No\r\n\r\n", "status 500"),
        (OK + b"Content-Length: 20\r\n\r\nshort", "cut off"),
        (OK + b"Content-Length: many\r\n\r\n", "Content-Length"),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "Content-Length"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "cut off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"z" * 2000, "chunks"),
        (OK + b"\r\n" + b"x" * 5000, "more than 1000 bytes"),
        (OK + b"Content-Length: 900000000\r\n\r\n" + b"x" * 5000, "more than 1000 bytes"),
        (b"220 ftp ready\r\n", "no HTTP"),
        (OK + b"X: y\r\n" * 20_000, "no HTTP"),
        (b"", "without an answer"),
        (b"HTTP/1.1 200", "without an answer"),
    ],
)
def test_what_a_device_does_wrong_is_said(answer: bytes, reason: str) -> None:
    """Redirects, refusals, wrong lengths, huge bodies and other protocols are each a device that is offline."""
    with talking(answering(answer)) as url:
        assert reason in refused(url)


def test_a_device_that_drips_is_left() -> None:
    """An answer that comes byte by byte is given up when its time is over."""

    def talk(connection: socket.socket) -> None:
        asked(connection)
        connection.sendall(OK + b"\r\n")
        connection.settimeout(0.02)
        while True:
            connection.sendall(b"x")
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return

    with talking(talk) as url:
        assert "too slowly" in refused(url, timeout_s=0.3)


def test_a_device_that_is_silent_or_away_is_said() -> None:
    """Nobody listens; somebody listens and never answers; somebody resets the connection."""

    def silent(connection: socket.socket) -> None:
        asked(connection)
        connection.recv(1)

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "nothing listens there" in refused(f"http://127.0.0.1:{port}")
    with talking(silent) as url:
        assert "in time" in refused(url, timeout_s=0.2)
    with talking(reset) as url:
        assert "connection" in refused(url) or "without an answer" in refused(url)


def test_plain_http_behind_https_is_said() -> None:
    """A device that speaks no TLS is named as such."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(OK)
        connection.recv(1)

    with talking(talk) as url:
        assert "speaks no TLS" in refused(url.replace("http://", "https://"))


@pytest.mark.parametrize("url", ["192.0.2.1", "ftp://192.0.2.1", "http://user:word@192.0.2.1", "http://h/?a=1"])
def test_an_address_holds_no_password(url: str) -> None:
    """Users and passwords in the address, and other protocols, are refused when the file is checked."""
    with pytest.raises(ValueError, match="must be an address"):
        HttpAccess.model_validate({"url": url})


ANSWERS = st.sampled_from(
    [
        OK + b"Content-Length: 5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\n\r\n",
        OK + b"\r\nno end",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
        b"HTTP/1.0 204 None\nServer: x\n\n",
    ]
)


def parsed(pieces: list[bytes]) -> tuple[bytes, int | None, bool]:
    reply = Reply()
    body = b"".join(reply.feed(piece) for piece in pieces)
    return body, reply.status, reply.done


@given(answer=ANSWERS, cuts=st.lists(st.integers(0, 90), max_size=8))
def test_chunking_does_not_matter(answer: bytes, cuts: list[int]) -> None:
    """However the answer comes in, status and body are the same."""
    assert parsed(pieces_of(answer, cuts)) == parsed([answer])


@given(noise=st.binary(max_size=300))
def test_noise_is_no_answer(noise: bytes) -> None:
    """Whatever comes is an answer, or not yet one, or said to be none."""
    for head in (b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"):
        reply = Reply()
        try:
            reply.feed(head + noise)
            reply.end()
        except BadReply:
            continue
        assert reply.done


def test_a_served_message_is_what_is_read() -> None:
    """The simulated device gives the body as it is."""
    with serving(None) as way:
        saying = Thread(target=way.say, args=(Message("serve", b"\r\n\x00"),))
        saying.start()
        device = access(way.url)
        while device.get("/", 100) != b"\r\n\x00":
            pass
        saying.join()
