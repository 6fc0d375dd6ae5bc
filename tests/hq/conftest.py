"""A migrated database for every test that wants one: copied from one that was migrated once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from hq.embedded.postgres import Postgres
from hq.warehouse import migrate

TEMPLATE = "migrated"


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
