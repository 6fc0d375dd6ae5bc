"""Every n-th call of the disk fails: for a recorder, and for the whole agent."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.conftest import Run
from tests.faults.till import Till

LAST = 100
MOVED = 10
FAULTS = (
    "fdatasync:error=EIO:when=1",
    "fdatasync:error=EIO:when=4",
    "fdatasync:error=EIO:when=9..10",
    "fdatasync:error=EIO:when=2..6",
    "fdatasync:error=ENOSPC:when=6",
    "pwrite64:error=EIO:when=1",
    "pwrite64:error=EIO:when=33",
    "pwrite64:error=EIO:when=60..63",
    "pwrite64:error=ENOSPC:when=5..40",
    "pwrite64:error=ENOSPC:when=50..150+7",
)


@pytest.mark.parametrize(
    ("what", "came"), [("syncs", {"S EIO": 125, "T EIO": 2}), ("writes", {"W EIO": 125, "W ENOSPC": 125})]
)
def test_what_is_confirmed_is_on_disk_whatever_call_fails(
    memory: Path, shim: Path, run: Run, what: str, came: dict[str, int]
) -> None:
    """Each of the first hundred syncs or writes fails, once or more: what is confirmed survives even a power cut."""
    report = run("io_errors", memory, 1, what, LAST, shim=shim)

    assert report["faults"] == {}, report["examples"]
    assert report["came"] == came, report
    assert report["confirmed"] > 1_000, report
    assert report["states"] > 500, report


def _strace_works() -> bool:
    """Where processes may not be traced there is nothing to inject with."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not _strace_works(), reason="strace is not installed, or may not trace here")
def test_an_agent_lives_through_failing_calls_or_goes_on_when_restarted(tmp_path: Path) -> None:
    """Whatever call of its disk fails, once or often, every ticket is kept once, by this agent or by the next."""
    till, restarts = Till(tmp_path, 2), 0
    for number, fault in enumerate(FAULTS):
        till.drop(5 * MOVED)
        told, call = tmp_path / f"strace-{number}", fault.partition(":")[0]
        options = ("-D", "-f", "--seccomp-bpf", "-qq", "-o", str(told), "-e", f"trace={call}", "-e", f"inject={fault}")
        agent = till.agent("strace", *options)
        agent.start()
        while agent.running and till.await_taken(till.dropped, agent) and "(INJECTED)" not in told.read_text():
            till.drop(MOVED)
        if not till.await_taken(till.dropped, agent):
            restarts += 1
            agent = till.agent()
            agent.start()
            assert till.await_taken(till.dropped, agent)
        agent.kill()
        assert "(INJECTED)" in told.read_text(), fault

    verdict = till.verdict()
    print(f"agent with failing calls: faults {len(FAULTS)}, restarts {restarts}, {verdict}")
    assert (verdict.lost, verdict.doubled) == (0, 0)
    assert verdict.dropped >= 5 * MOVED * len(FAULTS)
