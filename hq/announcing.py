"""Telling every box to which keys it seals from now on."""

from __future__ import annotations

from pathlib import Path

from cloud_sync.wire.downlink import Command
from hq import orders
from hq.audit import audit
from hq.data import Data
from hq.reading import changing
from hq.rotation import announced


def announce(data: Data, key_id: str, backup: Path) -> int:
    """Announces a sealing key whose backup opens; how many boxes are told. Raises Failure, DataError."""
    with changing(data) as connection:
        boxes = connection.execute("SELECT store, box FROM box WHERE revoked_at IS NULL ORDER BY 1, 2").fetchall()
        recipients = announced(data, key_id, backup)
        content = b"".join(recipient.raw for recipient in recipients)
        for store, box in boxes:
            orders.give(connection, (store, box), data.settings().generation, Command.SEAL_TO, content)
        audit(connection, "sealing key announced", {"key": key_id, "boxes": len(boxes)})
    return len(boxes)
