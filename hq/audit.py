"""Who did what at headquarters, kept in the database for ever."""

from __future__ import annotations

import getpass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb


def audit(connection: psycopg.Connection[Any], action: str, detail: object) -> None:
    """Adds a line in the open transaction. detail: what JSON can say."""
    connection.execute(
        "INSERT INTO audit_hq (actor, action, detail) VALUES (%s, %s, %s)", [getpass.getuser(), action, Jsonb(detail)]
    )
