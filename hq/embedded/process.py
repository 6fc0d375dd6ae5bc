"""Child processes that never outlive their parent, and finding those that did.

Every child runs under `setpriv` (util-linux, on every Debian), which asks the kernel to signal it when the parent dies.
As root a child may be given another user: it keeps CAP_DAC_OVERRIDE, so that nothing on the way to its files needs to
be opened to the world.
"""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hq.data import Failure

POLL_S = 0.02


class StartError(Failure):
    """A program did not come up; the text ends with what it said last."""


def start(
    argv: Sequence[str], *, log: Path | None, on_parent_death: signal.Signals, user: str | None
) -> subprocess.Popen[bytes]:
    """Starts `argv` in its own session.

    log: a file to which both outputs are appended (0600); None: our own standard error
    user: the user to become (only root can); None stays what we are
    """
    output = sys.stderr.fileno() if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [*wrapper(user), "--pdeathsig", on_parent_death.name.removeprefix("SIG"), "--", *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        if log is not None:
            os.close(output)


def wrapper(user: str | None) -> list[str]:
    """The beginning of a command line that becomes `user`."""
    if user is None:
        return ["setpriv"]
    capability = ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
    return ["setpriv", "--reuid", user, "--regid", user_group(user), "--clear-groups", *capability]


def user_group(user: str) -> str:
    """The number of the user's own group, as text."""
    return str(pwd.getpwnam(user).pw_gid)


def stop(process: subprocess.Popen[bytes], how: signal.Signals, timeout_s: float) -> None:
    """Signals the process and waits; what does not end within the time is killed."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def running(program: str, argument: str) -> list[int]:
    """Process ids of `program` (its file's name) that were started with exactly this argument."""
    found = []
    for entry in Path("/proc").iterdir():
        argv = _argv(entry) if entry.name.isdigit() else [""]
        if Path(argv[0]).name == program and argument in argv[1:]:
            found.append(int(entry.name))
    return found


def end_leftovers(program: str, argument: str, how: signal.Signals, timeout_s: float) -> int:
    """Ends what an earlier parent left behind, by force after the time; returns how many there were."""
    pids = running(program, argument)
    for pid in pids:
        send(pid, how)
    deadline = time.monotonic() + timeout_s
    while running(program, argument) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    while left := running(program, argument):
        for pid in left:
            send(pid, signal.SIGKILL)
        time.sleep(POLL_S)
    return len(pids)


def listens(host: str, port: int) -> bool:
    """Whether somebody takes TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def tail(log: Path, limit: int = 2000) -> str:
    """The end of a log file, for an error's text."""
    try:
        return log.read_bytes()[-limit:].decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _argv(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return [""]


def send(pid: int, how: signal.Signals) -> None:
    """Signals a process; one that is gone is no error."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
