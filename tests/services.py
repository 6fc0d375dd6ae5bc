"""A real broker and a real database for everybody's tests: the product's own embedded ones, one of each per session.

`database` is the DSN of a fresh empty database; `broker` is a broker with an empty stream, where `broker.box(...)` lets
a box in and gives the files it connects with.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nats
import psycopg
import pytest
from psycopg import sql

from hq import certificates
from hq.data import free_ports, private_directory
from hq.embedded.nats import Broker, Listeners
from hq.embedded.postgres import Postgres
from hq.stream import ANSWER_S, STREAM, ensure_stream, jetstream, worker_tls

TOPIC_ROOT = "se"
NO_REPLAY = Path("no-such-file")  # for a worker of a headquarters that was not restored


@dataclass(frozen=True)
class Files:
    """What a client shows the broker."""

    ca: Path
    certificate: Path
    key: Path


def new_authority(tls: Path) -> certificates.Identity:
    """An authority of its own; what it gave the broker on this machine and HQ's workers lies in `tls`."""
    now = dt.datetime.now(dt.UTC)
    authority = certificates.new_authority(now)
    authority.save(tls, "ca")
    certificates.new_server(authority, ["localhost", "127.0.0.1"], now).save(tls, "broker")
    certificates.new_client(authority, certificates.WORKER, now).save(tls, "hq")
    return authority


def client_files(tls: Path, name: str, authority: certificates.Identity) -> Files:
    """A client certificate of `authority`, for a broker whose own files lie in `tls`."""
    certificates.new_client(authority, name, dt.datetime.now(dt.UTC)).save(tls, name)
    return Files(tls / "ca.crt", tls / f"{name}.crt", tls / f"{name}.key")


@dataclass
class BrokerForTests:
    """A running broker of its own authority."""

    server: Broker
    authority: certificates.Identity
    users: set[str]

    @property
    def mqtt_port(self) -> int:
        return self.server.listeners.mqtt_port

    @property
    def url(self) -> str:
        """Where HQ's workers connect; with `worker_tls(broker.tls)`."""
        return self.server.url

    @property
    def tls(self) -> Path:
        return self.server.tls

    def box(self, store: str, box: str) -> Files:
        """Lets STORE.BOX in and makes its certificate; a broker that runs is told."""
        user = f"{store}.{box}"
        self.users.add(user)
        self.server.write_config()
        self.server.reload()
        return self.files(user, self.authority)

    def files(self, name: str, authority: certificates.Identity) -> Files:
        """A client certificate of `authority`, perhaps not the broker's own."""
        return client_files(self.tls, name, authority)

    def start(self) -> None:
        self.server.start()

    async def connect(self) -> nats.NATS:
        """A connection as HQ's worker."""
        return await nats.connect(self.url, tls=worker_tls(self.tls), connect_timeout=ANSWER_S)


def new_broker(folder: Path) -> BrokerForTests:
    """A broker with its own authority and free ports below `folder`, not yet started."""
    tls = private_directory(folder / "tls")
    authority = new_authority(tls)
    listeners = Listeners("127.0.0.1", *free_ports(3))
    users: set[str] = set()
    return BrokerForTests(Broker(folder / "nats", tls, listeners, TOPIC_ROOT, lambda: users), authority, users)


@pytest.fixture(scope="session")
def session_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerForTests]:
    running = new_broker(tmp_path_factory.mktemp("broker"))
    running.start()
    yield running
    running.server.stop()


async def _empty_stream(broker: BrokerForTests) -> None:
    connection = await broker.connect()
    await ensure_stream(connection, TOPIC_ROOT)
    await jetstream(connection).delete_stream(STREAM)
    await ensure_stream(connection, TOPIC_ROOT)
    await connection.close()


@pytest.fixture
def broker(session_broker: BrokerForTests) -> BrokerForTests:
    """The session's broker with the stream and its consumer as new."""
    asyncio.run(_empty_stream(session_broker))
    return session_broker


@pytest.fixture(scope="session")
def session_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("database")
    server = Postgres(folder / "pg", folder / "password", *free_ports(1))
    with server.running():
        yield server


@pytest.fixture
def database(session_database: Postgres) -> Iterator[str]:
    """The DSN of an empty database, dropped after the test with whatever is connected."""
    name = f"test_{secrets.token_hex(6)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    yield session_database.dsn(name)
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
