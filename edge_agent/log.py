"""Logs: one key=value line an event, to standard error, from where systemd takes them to the journal."""

from __future__ import annotations

import logging


def to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="level=%(levelname)s part=%(name)s %(message)s")
