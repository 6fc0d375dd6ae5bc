"""A migrated database that is empty for every test, made once; houses on it and in memory."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from hq.embedded.postgres import Postgres
from hq.warehouse import migrate
from hq.warehouse.columns import TABLES
from tests.hq.warehouse.houses import Make, MemoryHouse, PostgresHouse

LEDGER = (
    "box",
    "store",
    "epoch",
    "batch",
    "claim",
    "source_claim",
    "dead_letter",
    "set_aside",
    "heartbeat",
    "alert_hq",
    "stream",
    "coverage",
    "coverage_delta",
    "mark",
    "hq_order",
    "audit_hq",
    "claim_folded",
    "clock_repair",
)


@pytest.fixture(scope="session")
def migrated_once(session_database: Postgres) -> str:
    name = f"migrated_{secrets.token_hex(6)}"
    with psycopg.connect(session_database.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = session_database.dsn(name)
    migrate(dsn)
    return dsn


@pytest.fixture
def migrated(migrated_once: str) -> Iterator[str]:
    """The DSN of a database with every table and no row."""
    yield migrated_once
    with psycopg.connect(migrated_once, autocommit=True) as connection:
        for table in [*LEDGER, *(table.name for table in TABLES.values())]:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


@pytest.fixture(params=["postgres", "memory"])
def make(request: pytest.FixtureRequest) -> Make:
    """A house with these boxes registered, of either kind."""
    if request.param == "memory":
        return lambda *boxes: MemoryHouse(boxes)
    dsn = request.getfixturevalue("migrated")
    return lambda *boxes: PostgresHouse(dsn, boxes)
