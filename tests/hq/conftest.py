"""What tests of headquarters share: keys, a box, a migrated database, copied from one that was migrated once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from hq import keys
from hq.data import Data, Settings, free_ports, private_directory
from hq.embedded.postgres import Postgres
from hq.warehouse import migrate
from tests.cloud_sync.ingest.box import OPENING, Box
from tests.hq.placed import Headquarters
from tests.hq.warehouse.houses import PostgresHouse

TEMPLATE = "migrated"


@pytest.fixture
def keyring(tmp_path: Path) -> keys.Keyring:
    data = Data(private_directory(tmp_path / "keys-of-hq"))
    keys.ensure(data)
    return keys.load(data)


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def emptied(session_database: Postgres) -> Postgres:
    """The session's server; the tables of its own database are made and empty."""
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    migrate(session_database.dsn())
    return session_database


@pytest.fixture
def own(tmp_path: Path, emptied: Postgres) -> Data:
    """A data directory with its keys, one that opens what `Box` seals among them; its database is the session's."""
    place = Data(private_directory(tmp_path / "own"))
    place.save(Settings(("localhost",), "127.0.0.1", *free_ports(2), emptied.port, *free_ports(1)))
    keys.ensure(place)
    OPENING.save(place.keys / f"seal-{OPENING.public.key_id.hex()}.key")
    for folder in (place.tls, place.boxes):
        private_directory(folder)
    place.password_file.write_bytes(emptied.password_file.read_bytes())
    return place


@pytest.fixture(scope="session")
def template(session_database: Postgres) -> sql.Identifier:
    """A database with HQ's tables that nobody is connected to."""
    name = sql.Identifier(TEMPLATE)
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    migrate(session_database.dsn(TEMPLATE))
    return name


@pytest.fixture
def migrated(session_database: Postgres, template: sql.Identifier) -> Iterator[str]:
    """The DSN of a database with HQ's tables, dropped after the test with whatever is connected."""
    name = f"test_{secrets.token_hex(6)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, template))
    yield session_database.dsn(name)
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest.fixture
def house(migrated: str, box: Box) -> PostgresHouse:
    """A warehouse that knows the box."""
    return PostgresHouse(migrated, [box])


@pytest.fixture
def headquarters(migrated: str) -> Iterator[Headquarters]:
    """Where boxes can be registered beside a till."""
    house = PostgresHouse(migrated, [])
    yield Headquarters(house)
    house.port.close()
