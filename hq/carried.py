"""`edge-hq ingest --file`: takes in what a person carried out of a store, as if the broker had brought it.

Nobody is sent a receipt: the box sends again what it has none for, and gets one then. Nothing is stored twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cloud_sync.ingest import Core
from cloud_sync.ingest.core import Arrived, Commit, Committed, Effect, Event, GiveBack, LookUp
from cloud_sync.ingest.judge import Message
from cloud_sync.ingest.work import Warehouse, WarehouseAway
from cloud_sync.wire import export
from cloud_sync.wire.export import Carried
from cloud_sync.wire.reader import WireError
from cloud_sync.wire.topics import Address
from hq import headquarters, keys
from hq.data import Data, Failure
from hq.exits import Exit
from hq.warehouse.postgres import PostgresWarehouse

AT_ONCE = 200


class TakenIn(NamedTuple):
    """What became of a file. counts: of the ingest core; fault: why its end could not be read"""

    parcels: int
    counts: dict[str, int]
    fault: str | None


def take_in(path: Path, core: Core, root: str, warehouse: Warehouse) -> TakenIn:
    """Everything that can be read of the file. Raises OSError, WarehouseAway; what was taken in until then stays."""
    taken, fault = 0, None
    with path.open("rb") as file:
        parcels = export.read(file)
        while True:
            some, fault = _some(parcels)
            if some:
                _carry_out(core, [_message(root, number, parcel) for number, parcel in enumerate(some)], warehouse)
                taken += len(some)
            if fault or len(some) < AT_ONCE:
                return TakenIn(taken, dict(core.counts), fault)


def _some(parcels: Iterator[Carried]) -> tuple[list[Carried], str | None]:
    some: list[Carried] = []
    try:
        some.extend(islice(parcels, AT_ONCE))
    except WireError as fault:
        return some, str(fault)
    return some, None


def _message(root: str, number: int, parcel: Carried) -> Message:
    return Message(Address(root, parcel.store, parcel.box).up(parcel.what), parcel.payload, number)


def _carry_out(core: Core, messages: list[Message], warehouse: Warehouse) -> None:
    waiting = deque[Effect](core.step(Arrived(tuple(messages)), datetime.now(UTC)))
    while waiting:
        effect = waiting.popleft()
        if isinstance(effect, GiveBack):
            raise WarehouseAway("the database could not take it")
        if isinstance(effect, LookUp | Commit):
            waiting.extend(core.step(_ask(warehouse, effect), datetime.now(UTC)))


def _ask(warehouse: Warehouse, effect: LookUp | Commit) -> Event:
    if isinstance(effect, LookUp):
        return warehouse.look_up(effect.boxes, effect.epochs)
    return Committed(warehouse.commit(effect.work))


def main(data: Path, path: Path) -> int:
    """Says what became of the file; 1 where not all of it was taken in. Raises DataError."""
    place = Data(data)
    root, keyring = place.settings().topic_root, keys.load(place)
    warehouse = PostgresWarehouse(headquarters.database(place).dsn())
    core = Core(root, keyring.opening, keyring.receipts, patience=timedelta(0))
    try:
        taken = take_in(path, core, root, warehouse)
    except OSError as fault:
        raise Failure(f"{path}: {fault.strerror}") from None
    except WarehouseAway as fault:
        raise Failure(f"{fault}; start the database and take the file in again: nothing is stored twice") from None
    finally:
        warehouse.close()
    print("\n".join(_in_words(path, taken)))
    refused = [name for name in taken.counts if name.startswith(("held", "ignored", "dead"))]
    return Exit.FAILED if taken.fault or refused else Exit.DONE


def _in_words(path: Path, taken: TakenIn) -> Iterable[str]:
    yield f"{path}: {taken.parcels:,} headers and batches read"
    for name, count in sorted(taken.counts.items()):
        yield f"  {count:,} {name}"
    if taken.fault:
        yield f"  then: {taken.fault}"
