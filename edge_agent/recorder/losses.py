"""What the recorder itself says of records that are not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cloud_sync.wire import batch as wire_batch
from edge_agent.buffer.salvage import Gap
from records import Record, type_by_id
from records.types import Loss, Quarantine

LossReason = Literal["evicted", "damaged"]


def tombstone(reason: LossReason, span: Gap, types: Mapping[int, int]) -> Loss:
    """What says that these numbers are gone, and why."""
    return Loss(
        reason=reason,
        count=span.last - span.first + 1,
        types={kind.name: n for id_, n in types.items() if (kind := type_by_id(id_))},
        stream=span.stream.hex(),
        epoch=span.epoch.hex(),
        lane=int(span.lane),
        first=span.first,
        last=span.last,
    )


def too_large(record: Record, name: str) -> Record:
    """What is kept of a record that no batch could carry."""
    reason = f"a {name} larger than {wire_batch.MAX_RECORD >> 20} MiB, or {wire_batch.MAX_FRAME >> 10} KiB compressed"
    said = Quarantine(device=record.device, reason=reason)
    return Record(record.device, record.at, said, record.mono_ms, record.clock)
