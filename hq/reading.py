"""HQ's database for a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from hq.data import Data, Failure
from hq.headquarters import database


@contextmanager
def connect(data: Data) -> Iterator[psycopg.Connection[Any]]:
    """A read-only transaction that sees one moment. Raises DataError, Failure."""
    options = "-c timezone=UTC -c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on"
    with _open(data, options) as connection:
        yield connection


@contextmanager
def changing(data: Data) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that is committed at the end, waiting until it is durable. Raises DataError, Failure."""
    with _open(data, "-c timezone=UTC -c synchronous_commit=on -c lock_timeout=30s") as connection:
        yield connection


@contextmanager
def _open(data: Data, options: str) -> Iterator[psycopg.Connection[Any]]:
    start = f"start it with: edge-hq up --data {data.root}"
    if not data.password_file.exists():
        data.settings()
        raise Failure(f"{data.root} has no database yet; {start}")
    try:
        with psycopg.connect(database(data).dsn(), options=options, connect_timeout=10) as connection:
            yield connection
    except psycopg.errors.UndefinedTable as error:
        raise Failure(f"the database lacks a table; run: edge-hq migrate --data {data.root}") from error
    except psycopg.OperationalError as error:
        raise Failure(f"the database does not answer; {start} ({error})") from error
