"""A migrated database for every test that wants one: copied from one that was migrated once."""

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

TEMPLATE = "migrated"


@pytest.fixture
def own(tmp_path: Path, session_database: Postgres) -> Data:
    """A data directory with its keys, whose database is the session's server; its tables are made and empty."""
    place = Data(private_directory(tmp_path / "own"))
    place.save(Settings(("localhost",), "127.0.0.1", *free_ports(2), session_database.port, *free_ports(1)))
    keys.ensure(place)
    place.password_file.write_bytes(session_database.password_file.read_bytes())
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    migrate(session_database.dsn())
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
