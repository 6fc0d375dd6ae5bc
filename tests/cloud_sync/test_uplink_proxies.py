"""Through proxies that speak HTTP CONNECT and SOCKS5, to a real broker."""

from __future__ import annotations

import os
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_sync.uplink.dialing import Route, carried
from cloud_sync.uplink.messages import LinkDown, LinkUp
from cloud_sync.uplink.mqtt import Broker, Tls
from cloud_sync.uplink.proxies import Proxy, ProxyError
from tests.cloud_sync.test_uplink_mqtt import first_word
from tests.cloud_sync.uplink_run import BOX
from tests.services import BrokerForTests, Files

Greeting = Callable[[socket.socket], tuple[str, int] | None]


@contextmanager
def proxy(greet: Greeting) -> Iterator[int]:
    """A proxy on 127.0.0.1; `greet` speaks its protocol and gives where the client wants to go."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    near, _ = listener.accept()
                    if target := greet(near):
                        far = socket.create_connection(target)
                        for one, other in ((near, far), (far, near)):
                            threading.Thread(target=copy, args=(one, other), daemon=True).start()
                    else:
                        near.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class Http:
    """HTTP CONNECT, for the login if there is one."""

    def __init__(self, login: str | None) -> None:
        self.asked: list[str] = []
        self._login = login

    def __call__(self, near: socket.socket) -> tuple[str, int] | None:
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += near.recv(1)
        lines = said.decode().split("\r\n")
        self.asked.append(lines[0])
        logins = [b64decode(line.split()[-1]).decode() for line in lines if line.startswith("Proxy-Authorization")]
        if logins != ([self._login] if self._login else []):
            near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return None
        near.sendall(b"HTTP/1.1 200 Connection established\r\nVia: a test\r\n\r\n")
        host, port = lines[0].split()[1].rsplit(":", 1)
        return host, int(port)


class Socks:
    """SOCKS5, for the login if there is one; refusal: the code with which it refuses."""

    def __init__(self, login: str | None, refusal: int = 0) -> None:
        self.asked: list[str] = []
        self._login, self._refusal = login, refusal

    def __call__(self, near: socket.socket) -> tuple[str, int] | None:
        _, count = near.recv(2)
        method = 2 if self._login else 0
        if method not in near.recv(count):
            near.sendall(b"\5\xff")
            return None
        near.sendall(bytes([5, method]))
        if self._login:
            user, password = (near.recv(near.recv(size)[-1]).decode() for size in (2, 1))
            near.sendall(bytes([1, f"{user}:{password}" != self._login]))
        kind, size = near.recv(5)[3:]
        assert kind == 3
        host, port = near.recv(size).decode(), int.from_bytes(near.recv(2))
        self.asked.append(f"{host}:{port}")
        near.sendall(bytes([5, self._refusal, 0, 1]) + bytes(6))
        return None if self._refusal else (host, port)


@pytest.fixture
def files(broker: BrokerForTests) -> Files:
    return broker.box(BOX.store, BOX.box)


def through(broker: BrokerForTests, files: Files, url: str, login: Path | None) -> LinkUp | LinkDown:
    there = Broker("localhost", broker.mqtt_port, None, Route(None, Proxy(url, login)))
    return first_word(there, Tls(files.ca, files.certificate, files.key))


@pytest.mark.parametrize("login", [None, "store:secret"])
@pytest.mark.parametrize("kind", [Http, Socks])
def test_a_session_through_a_proxy(
    broker: BrokerForTests, files: Files, tmp_path: Path, kind: type[Http] | type[Socks], login: str | None
) -> None:
    """The proxy is asked for the broker by its name, with the login of the file, and carries the session."""
    speaker, path = kind(login), tmp_path / "login"
    path.write_text(f"{login}\n")
    with proxy(speaker) as port:
        scheme = "http" if kind is Http else "socks5"
        event = through(broker, files, f"{scheme}://127.0.0.1:{port}", path if login else None)

    assert event == LinkUp(1)
    assert f"localhost:{broker.mqtt_port}" in speaker.asked[0]


@pytest.mark.parametrize(
    ("scheme", "speaker", "said"),
    [
        ("http", Http("store:secret"), "407 Proxy Authentication Required"),
        ("socks5", Socks(None, refusal=2), "not allowed by its rules"),
        ("socks5", Socks("store:secret"), "it wants a login"),
        ("socks5", Http(None), "it closed the connection"),
    ],
)
def test_a_proxy_that_does_not_let_us_through_is_named(
    broker: BrokerForTests, files: Files, scheme: str, speaker: Http | Socks, said: str
) -> None:
    """The reason names the proxy and what it said."""
    if scheme == "socks5" and isinstance(speaker, Http):
        with proxy(lambda _: None) as port:
            event = through(broker, files, f"socks5://127.0.0.1:{port}", None)
    else:
        with proxy(speaker) as port:
            event = through(broker, files, f"{scheme}://127.0.0.1:{port}", None)

    assert isinstance(event, LinkDown)
    assert f"proxy {scheme}://127.0.0.1:{port}" in event.why
    assert said in event.why or "reset" in event.why


def test_a_login_file_without_a_colon_is_named(tmp_path: Path) -> None:
    """What the file must hold stands in the reason, and what it holds does not."""
    path = tmp_path / "login"
    path.write_text("hunter2")
    here, _ = socket.socketpair()
    with pytest.raises(ProxyError, match="must hold one line, user:password") as caught:
        Proxy("http://127.0.0.1:1", path).tunnel(here, "localhost", 1)

    assert "hunter2" not in str(caught.value)


@given(st.sampled_from(["http", "socks5"]), st.binary(max_size=200))
def test_a_proxy_that_talks_nonsense_harms_nobody(scheme: str, answer: bytes) -> None:
    """Whatever it answers, the end is a tunnel or an OSError."""
    here, there = socket.socketpair()
    with here, there:
        there.sendall(answer)
        there.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            Proxy(f"{scheme}://127.0.0.1:1", None).tunnel(here, "mqtt.example.com", 8883)


def test_what_a_connection_carried_is_counted() -> None:
    """At least the payload of both directions, and hardly more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = Route(None, None).dial("127.0.0.1", listener.getsockname()[1], 10.0)
        there, _ = listener.accept()
        here.sendall(os.urandom(100_000))
        taken = 0
        while taken < 100_000:
            taken += len(there.recv(65_536))
        there.sendall(bytes(5_000))
        got = 0
        while got < 5_000:
            got += len(here.recv(65_536))
        seen = carried(here.fileno())
        here.close()
        there.close()

    assert seen is not None
    assert 100_000 <= seen.sent < 120_000
    assert 5_000 <= seen.received < 20_000
    assert carried(-1) is None


def test_an_interface_that_is_not_there_is_an_error() -> None:
    """A link bound to a network device that does not exist does not go another way."""
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError, match="No such device"):
        Route("nosuch0", None).dial("127.0.0.1", listener.getsockname()[1], 10.0)


def test_an_interface_leads_where_it_leads() -> None:
    """Bound to the loopback a connection to this machine stands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Route("lo", None).dial("127.0.0.1", listener.getsockname()[1], 10.0).close()
