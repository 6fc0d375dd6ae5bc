"""`edge-agent run`: puts the parts together, keeps them going, and takes them down in order."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from hashlib import sha256
from pathlib import Path

from cloud_sync.seal.hpke import KeyFileError
from config import load
from edge_agent.buffer.schema import NewerFormat
from edge_agent.daemon import Daemon
from edge_agent.exits import Exit
from edge_agent.keys import read_keys
from edge_agent.lock import alone_in
from edge_agent.log import to_stderr
from edge_agent.memory import leave_no_core

log = logging.getLogger(__name__)


def main(path: Path) -> int:
    """Runs until SIGTERM or SIGINT; `ConfigError` before anything is opened."""
    leave_no_core()
    config = load(path)
    to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        keys = read_keys(config.hq)
        os.umask(0o077)
        config.data_dir.mkdir(parents=True, exist_ok=True)
        with alone_in(config.data_dir):
            return Daemon(config, keys, sha256(path.read_bytes()).hexdigest()[:16]).run(stop)
    except (KeyFileError, NewerFormat) as fault:
        print(fault, file=sys.stderr)
        return Exit.CONFIG
    except OSError as fault:
        log.error("event=cannot-run reason=%r", str(fault))
        return Exit.FAILED
