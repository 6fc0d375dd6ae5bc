"""The till's database, read and never written.

Only SELECT statements are made, each look is one short transaction that is rolled back, and where the dialect can the
session itself is read-only: SQLite is opened `mode=ro`, PostgreSQL and MySQL sessions are READ ONLY (repeatable read,
so that a look is one snapshot), SQL Server reads by snapshot where the database allows it and waits for no lock longer
than a query may take. Values come as the database driver gives them; text outside UTF-8 in SQLite is read as GB18030.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import shorten
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Select, column, create_engine, event, inspect, select, table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.sql import ColumnElement

from devices.driver import DeviceOffline
from devices.pos_sql.options import Lines, Payments, Tables
from devices.pos_sql.plan import LINES, PAYMENTS, Need
from devices.pos_sql.positions import position
from devices.pos_sql.tickets import Position, Row, trimmed

_MOST_KEYS = 300  # values in one list: SQL Server takes 2,100 parameters, old SQLite 999
_SQLITE_STEPS = 10_000
_SESSIONS: Mapping[str, Sequence[str]] = {
    "postgresql": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SET statement_timeout = {ms}",
    ),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_execution_time = {ms}"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_statement_time = {s}"),
    "mssql": (
        "IF EXISTS (SELECT 1 FROM sys.databases WHERE name = DB_NAME() AND snapshot_isolation_state = 1) "
        "SET TRANSACTION ISOLATION LEVEL SNAPSHOT",
        "SET LOCK_TIMEOUT {ms}",
    ),
}
_TIMEOUTS: Mapping[str, Sequence[str]] = {  # by what the database driver calls them, whole seconds
    "pymssql": ("timeout", "login_timeout"),
    "pyodbc": ("timeout",),
    "pymysql": ("connect_timeout", "read_timeout"),
    "mysqldb": ("connect_timeout", "read_timeout"),
    "psycopg": ("connect_timeout",),
    "psycopg2": ("connect_timeout",),
    "pysqlite": ("timeout",),
}


class _Shape(NamedTuple):
    """One table as it is: columns to read by the name that the mapping has for them."""

    name: str
    ticket: tuple[str, ...]
    columns: Mapping[str, str]

    def select(self) -> Select[Any]:
        wanted: list[ColumnElement[Any]] = [column(real) for real in self.columns.values()]
        return select(*wanted).select_from(_table(self.name))

    def rows(self, connection: Connection, query: Select[Any]) -> list[Row]:
        return [dict(zip(self.columns, found, strict=True)) for found in connection.execute(query)]


class Database:
    """An open database. Everything raises `DeviceOffline` with what to check."""

    def __init__(self, address: str, tables: Tables, needed: Mapping[str, list[Need]], timeout_s: float) -> None:
        self._engine = _engine(address, timeout_s)
        self._tables = tables
        try:
            with _told():
                self._lines = self._shape(LINES, tables.lines, needed, (tables.lines.position,))
                paid = tables.payments
                self._payments = self._shape(PAYMENTS, paid, needed, ()) if paid else None
        except DeviceOffline:
            self.close()
            raise

    @property
    def ticket(self) -> tuple[str, ...]:
        """The columns that tell a ticket, those that are missing left out."""
        return self._lines.ticket

    @property
    def paid_ticket(self) -> tuple[str, ...]:
        """The payments' columns for the same."""
        return self._payments.ticket[: len(self.ticket)] if self._payments else ()

    @contextmanager
    def look(self) -> Iterator[Look]:
        """One short transaction."""
        with _told(), self._engine.connect() as connection, connection.begin() as transaction:
            yield Look(connection, self._tables.lines, self._lines, self._payments)
            transaction.rollback()

    def close(self) -> None:
        self._engine.dispose()

    def _shape(
        self, part: str, told: Lines | Payments, needed: Mapping[str, list[Need]], others: tuple[str, ...]
    ) -> _Shape:
        schema, _, name = told.table.rpartition(".")
        try:
            there = {found["name"] for found in inspect(self._engine).get_columns(name, schema=schema or None)}
        except NoSuchTableError:
            raise DeviceOffline(f"the database has no table {told.table}: correct tables.{part}.table") from None
        real = {name.lower(): name for name in there}
        ticket = tuple(name.rstrip("?") for name in told.ticket if name[-1] != "?" or name[:-1].lower() in real)
        wanted = [Need((name,), optional=False) for name in (*ticket, *others)] + needed[part]
        columns: dict[str, str] = {}
        for need in wanted:
            found = {name: real[name.lower()] for name in need.columns if name.lower() in real}
            if not found and not need.optional:
                names = " nor ".join(need.columns)
                raise DeviceOffline(
                    f"the table {told.table} has no column {names}: is it the right database, and the right profile?"
                )
            columns |= found
        return _Shape(told.table, ticket, columns)


class Look:
    """What one transaction sees."""

    def __init__(self, connection: Connection, told: Lines, lines: _Shape, payments: _Shape | None) -> None:
        self._connection = connection
        self._told = told
        self._lines = lines
        self._payments = payments
        self._place: ColumnElement[Any] = column(lines.columns[told.position])

    def upto(self, after: Position | None, most: int) -> tuple[Position | None, bool]:
        """The position of the last of the next rows, `most` at most, None when there are none; whether more follow."""
        query = select(self._place).select_from(_table(self._lines.name))
        query = query.where(self._place.is_not(None) if after is None else self._place > after)
        found = self._connection.execute(query.order_by(self._place).limit(most)).scalars().all()
        return (self._position(found[-1]) if found else None), len(found) == most

    def rows(self, after: Position | None, upto: Position) -> list[Row]:
        """Every line after one position up to another, in their order."""
        query = self._lines.select().where(self._place <= upto)
        if after is not None:
            query = query.where(self._place > after)
        return self._lines.rows(self._connection, query.order_by(self._place))

    def lines(self, rows: Sequence[Row], low: Position, high: Position) -> list[Row]:
        """Every line between two positions of the tickets to which `rows` belong."""
        base = self._lines.select().where(self._place >= low, self._place <= high).order_by(self._place)
        return self._of(self._lines, base, rows)

    def payments(self, rows: Sequence[Row]) -> list[Row]:
        """Every payment of the tickets to which `rows` belong."""
        return self._of(self._payments, self._payments.select(), rows) if self._payments else []

    def position_of(self, row: Row) -> Position:
        return self._position(row[self._told.position])

    def _position(self, value: object) -> Position:
        return position(value, self._told.by, f"{self._told.table}.{self._told.position}")

    def _of(self, shape: _Shape, query: Select[Any], rows: Sequence[Row]) -> list[Row]:
        """By the first column of their key, as it is told and without padding; who groups them looks at all of it."""
        values = {told for row in rows for told in _spellings(row.get(self._lines.ticket[0]))}
        ordered = sorted(values, key=str)
        first: ColumnElement[Any] = column(shape.columns[shape.ticket[0]])
        found: list[Row] = []
        for start in range(0, len(ordered), _MOST_KEYS):
            chosen = query.where(first.in_(ordered[start : start + _MOST_KEYS]))
            found += shape.rows(self._connection, chosen)
        return found


def _spellings(value: Any) -> set[Any]:
    return {value, trimmed(value)} if isinstance(value, str) else set() if value is None else {value}


def _table(name: str) -> Any:
    schema, _, bare = name.rpartition(".")
    return table(bare, schema=schema or None)


@contextmanager
def _told() -> Iterator[None]:
    """Turns the database's complaints into ours, without the statement; cut between words, so that no number is cut
    which is masked only as a whole.
    """
    try:
        yield
    except DBAPIError as error:
        first = shorten(str(error.orig).strip().partition("\n")[0], 200, placeholder=" …")
        raise DeviceOffline(f"the till's database refuses ({first}): is it up, reachable and not locked?") from error
    except SQLAlchemyError as error:
        raise DeviceOffline(f"the till's database cannot be read: {type(error).__name__}") from error
    except UnicodeDecodeError as error:
        raise DeviceOffline(
            "the till's database speaks another encoding: name it in the address, as charset"
        ) from error


def _engine(address: str, timeout_s: float) -> Engine:
    try:
        url = make_url(address)
        driver = url.get_driver_name()
        whole = {name: max(1, round(timeout_s)) for name in _TIMEOUTS.get(driver, ())}
        engine = create_engine(_read_only(url), connect_args=whole, pool_size=1, max_overflow=0, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise DeviceOffline(
            "url_file names no database: it must be one line, dialect+driver://user:password@host:port/database"
        ) from None
    except ModuleNotFoundError as error:
        raise DeviceOffline(f"the database driver {error.name} is not installed: install it beside the agent") from None
    _prepare(engine, timeout_s)
    return engine


def _read_only(url: URL) -> URL:
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith("file:"):
        return url
    return url.set(database=f"file:{quote(url.database)}", query={**url.query, "mode": "ro", "uri": "true"})


def _prepare(engine: Engine, timeout_s: float) -> None:
    """Sets up each connection when it is made."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _record: _prepare_sqlite(connection, timeout_s))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        return
    told = [line.format(ms=round(timeout_s * 1000), s=timeout_s) for line in _SESSIONS.get(engine.dialect.name, ())]
    event.listen(engine, "connect", lambda connection, _record: _run(connection, told))


def _run(connection: Any, statements: Sequence[str]) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
    connection.commit()


def _prepare_sqlite(connection: Any, timeout_s: float) -> None:
    connection.isolation_level = None  # so that a look's BEGIN is ours
    connection.text_factory = _sqlite_text
    connection.execute("PRAGMA query_only = ON")
    begun = [monotonic()]

    def watched(statement: str) -> None:  # noqa: ARG001 (SQLite's signature)
        begun[0] = monotonic()

    connection.set_trace_callback(watched)
    connection.set_progress_handler(lambda: monotonic() - begun[0] > timeout_s, _SQLITE_STEPS)


def _sqlite_text(raw: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "surrogateescape")
