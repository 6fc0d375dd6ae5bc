"""`edge-hq serve` as a process, for the browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hq.data import Data
from hq.embedded.process import listens

DEADLINE_S = 60.0


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The console of that directory; gives its address and its process."""
    port = Data(root).settings().console_port
    console = subprocess.Popen(
        [sys.executable, "-m", "hq", "serve", "--data", str(root)], env=os.environ | {"TZ": "UTC"}
    )
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not listens("127.0.0.1", port):
            assert console.poll() is None, f"edge-hq serve ended with {console.returncode}"
            assert time.monotonic() < deadline, "the console does not listen"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", console
    finally:
        console.send_signal(signal.SIGTERM)
        console.wait(DEADLINE_S)
