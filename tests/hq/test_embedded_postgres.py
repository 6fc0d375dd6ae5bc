from __future__ import annotations

import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hq.data import free_ports
from hq.embedded.postgres import Postgres

WAIT_S = 60


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "pg", tmp_path / "password", *free_ports(1))
    yield server
    server.stop()


def put(server: Postgres, number: int) -> None:
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [number])


def kept(server: Postgres) -> list[int]:
    with psycopg.connect(server.dsn()) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM kept ORDER BY number")]


def test_what_was_committed_outlives_a_kill(server: Postgres) -> None:
    """After kill -9 of the server the next start finds its stale lock, recovers, and every committed row is there."""
    server.start()
    put(server, 1)
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(WAIT_S)
    assert (server.directory / "postmaster.pid").exists()
    server.start()

    assert kept(server) == [1]


def test_a_start_ends_the_server_that_was_left_over(server: Postgres) -> None:
    """A second start takes over the files and the port of a server whose parent is gone."""
    server.start()
    put(server, 1)
    left = server.process
    assert left is not None
    server.start()

    assert left.wait(WAIT_S) == 0
    assert kept(server) == [1]


def test_a_stop_and_a_start_go_on_with_the_same_data(server: Postgres) -> None:
    """Stopping is clean and the next start has the rows."""
    server.start()
    put(server, 1)
    server.stop()
    assert not (server.directory / "postmaster.pid").exists()
    server.start()
    put(server, 2)

    assert kept(server) == [1, 2]


def test_commits_wait_for_the_disk(server: Postgres) -> None:
    """fsync, full_page_writes and synchronous_commit are on."""
    server.start()
    with psycopg.connect(server.dsn()) as connection:
        names = ("fsync", "full_page_writes", "synchronous_commit")
        values = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in names]

    assert values == [("on",)] * 3


def test_nobody_comes_in_without_the_password(server: Postgres) -> None:
    """Another password is refused, and so is none."""
    server.start()
    dsn = server.dsn().replace(server.password_file.read_text().strip(), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn)
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(server.dsn().replace("password=", "application_name="))


def test_the_files_are_private(server: Postgres) -> None:
    """The cluster's directory is 0700, the password file 0600, and nothing above them is opened to others."""
    server.directory.parent.chmod(0o700)
    server.start()

    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.directory.parent.stat().st_mode) == 0o700


def test_the_log_names_no_values(server: Postgres) -> None:
    """A refused insert leaves neither its statement nor its values in the server's log."""
    server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE person (name text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('planted-name')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO person VALUES ('planted-name')")
    server.stop()
    log = b"".join(path.read_bytes() for path in (server.directory / "log").iterdir())

    assert b"duplicate key value" in log
    assert b"planted-name" not in log


def test_an_interrupted_making_is_made_anew(server: Postgres) -> None:
    """What an initdb that was cut short left behind does not stand in the way."""
    (server.directory.parent / "pg.new.abandoned").mkdir()
    server.start()
    put(server, 1)

    assert kept(server) == [1]
