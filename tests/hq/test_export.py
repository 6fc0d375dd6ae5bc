"""Export prints what the store recorded, exactly."""

from __future__ import annotations

import json
from itertools import islice

import msgspec
import psycopg

from hq.export import lines
from records import RECORD_TYPES, Record, lane_of, to_json
from records.types import PosReceipt, Quarantine, StreamOpen, ZoneHeatmap
from tests.cloud_sync.ingest.box import NOW, Box, busy
from tests.hq.warehouse.houses import PostgresHouse, work


def exported(dsn: str, store: str | None = None, types: list[str] | None = None) -> list[dict[str, object]]:
    with psycopg.connect(dsn, options="-c timezone=UTC") as connection:
        return [json.loads(line) for line in lines(connection, store, types or list(RECORD_TYPES))]


def test_records_come_out_as_they_went_in(migrated: str) -> None:
    """Of every record type, device, time and data are printed as the store would print them, with its identity."""
    box = Box()
    house = PostgresHouse(migrated, [box])
    odd = [
        Record("agent", NOW, StreamOpen(store="0214", box="box-1", reason="new")),
        Record("scan-9", NOW, Quarantine(device="scan-9", reason="bad", raw="AA==")),
        Record("cam", NOW, ZoneHeatmap(grid=((1, 2), (3, 4)), cell_m=0.25)),
        Record("tap", NOW, PosReceipt(source_id="1", text="two\nlines", fields={"n": 2, "total": "3.10"})),
    ]
    records = [*islice(busy(11), 300), *odd]
    by_lane = {
        lane: [record for record in records if lane_of(record.data) is lane]
        for lane in {lane_of(r.data) for r in records}
    }
    house.port.commit(work(box, *(box.batch(some) for some in by_lane.values())))

    printed = exported(migrated)
    wanted = sorted(to_json(record) for record in records)
    inner = ("type", "device", "at", "data")
    assert sorted(msgspec.json.encode({name: line[name] for name in inner}) for line in printed) == wanted
    identities = {(line["stream"], line["epoch"], line["lane"], line["seq"]) for line in printed}
    assert len(identities) == 304
    assert {line["store"] for line in printed} == {"0214"}


def test_store_and_type_narrow_it(migrated: str) -> None:
    """Only the named store's records of the named types are printed."""
    boxes = [Box(), Box(store="0301")]
    house = PostgresHouse(migrated, boxes)
    for box in boxes:
        house.port.commit(work(box, box.batch([Record("a", NOW, Quarantine(device="a", reason="x"))] * 3)))

    assert len(exported(migrated)) == 6
    assert {line["store"] for line in exported(migrated, "0301")} == {"0301"}
    assert exported(migrated, "0301", ["scan"]) == []
