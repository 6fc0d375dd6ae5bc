"""What a store's devices say on a day: from their simulators, or played from recorded samples.

A feed is one device: its entry in the store's YAML and what it says, in order.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from devices.hikvision_count.simulator import alert
from devices.registry import driver
from devices.simulator import Message

TRANSACTIONS_A_FILE = 40
FRENCH = {"timezone": "Europe/Paris", "return_prefix": "C", "at_format": "%m/%d/%Y %H:%M"}
RECORDED = ("csv-drop", "poslog", "hikvision-count")
OFTEN = {"interval_s": 1}
HASTY = {"timeout_s": 2}
LINE_S = 0.002  # nobody scans faster; what is on a line when its reader is killed is gone


class Feed(NamedTuple):
    """id, driver, settings: the device's entry, without the place where it is plugged in; every_s: between messages."""

    id: str
    driver: str
    settings: dict[str, Any]
    messages: Iterator[Message]
    every_s: float = 0.0


def simulated(id_: str, name: str, rng: Random, at: datetime, step: timedelta, **settings: Any) -> Feed:
    """A device that its driver's simulator plays, without end."""
    return Feed(id_, name, settings, driver(name).messages(rng, at, step))


def generated_day(seed: int, at: datetime) -> list[Feed]:
    """More than ten thousand records, made up from a seed; `at` is when the store opens.

    What speaks only when asked says as much as it is asked for.
    """
    made: tuple[tuple[str, str, int, float, dict[str, Any]], ...] = (
        ("till-1", "csv-drop", 60, 0.0, {"settle_s": 0}),
        ("till-2", "poslog", 60, 0.0, {"settle_s": 0}),
        ("scan-1", "scanner-serial", 5000, LINE_S, {"role": "sale"}),
        ("gate-1", "ir-thermometer", 5000, LINE_S, {}),
        *((f"door-{number}", "hikvision-count", 500, 0.0, {}) for number in range(1, 5)),
        ("counter-1", "axis-count", 100, 0.0, {}),
        ("counter-2", "xovis-count", 100, 0.0, {}),
        ("gate-2", "hikvision-acs", 100, 0.0, {}),
        ("scale-1", "scale", 500, LINE_S, {}),
        ("counter-3", "dahua-count", 8, 0.0, OFTEN),
        ("freezer-1", "w1-thermometer", 8, 1.0, OFTEN),
        ("cold-1", "modbus", 0, 0.0, OFTEN),
        ("meter-1", "dlt645", 0, 0.0, OFTEN),
        ("ups-1", "nut-ups", 0, 0.0, {**OFTEN, **HASTY, "report_s": 1}),
        ("punch-1", "zkteco", 0, 0.0, {**OFTEN, **HASTY, "timezone": "UTC"}),
        ("punch-2", "zkteco-push", 100, 0.0, {}),
    )
    feeds = []
    for number, (id_, name, count, every_s, settings) in enumerate(made):
        feed = simulated(id_, name, Random(seed + number), at, timedelta(minutes=1), **settings)
        feeds.append(feed._replace(messages=islice(feed.messages, count), every_s=every_s))
    return feeds


def sampled_day(shared: Path, seed: int, at: datetime) -> list[Feed]:
    """A day made of recorded tills, doors and retail data below `shared`, with a scanner and sensors beside them."""
    csvs, retail = shared / "samples/pos_csv", shared / "retail-data"
    played = [
        _files("till-uk", {"timezone": "Europe/London", "return_prefix": "C"}, sorted(csvs.glob("uci_*.csv"))),
        _files("till-fr", FRENCH, [retail / "online_retail_fr.csv.gz"]),
        *(
            _files(f"till-{store}", {"timezone": "America/New_York"}, [retail / "cj_two_stores_16w.csv.gz"], store)
            for store in ("367", "406")
        ),
        Feed("till-pos", "poslog", {"settle_s": 0}, _poslogs(shared / "samples/pos_poslog")),
        Feed("door-calit", "hikvision-count", {}, _door_counts(retail / "calit2.csv", at)),
        Feed("door-samples", "hikvision-count", {}, _alerts(shared / "samples/door_counter")),
    ]
    return [*played, *(feed for feed in generated_day(seed, at) if feed.driver not in RECORDED)]


def _files(id_: str, settings: dict[str, Any], paths: list[Path], store: str | None = None) -> Feed:
    """CSV files as a till's export folder gets them, in parts of some tickets each; `store` picks one of several."""
    return Feed(id_, "csv-drop", {"settle_s": 0, **settings}, _csv_parts(id_, paths, store))


def _csv_parts(id_: str, paths: list[Path], store: str | None) -> Iterator[Message]:
    number = 0
    for path in paths:
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
        header, *lines = text.decode("utf-8").splitlines()
        for part in _by_ticket(header, lines, store):
            number += 1
            body = "\r\n".join([header, *part, ""]).encode()
            yield Message("drop", body, name=f"{id_}-{number:04d}.csv")


def _by_ticket(header: str, lines: list[str], store: str | None) -> Iterator[list[str]]:
    """The lines in groups of whole tickets, so that no ticket is torn over two files."""
    names = next(csv.reader([header]))
    ticket = names.index("InvoiceNo" if "InvoiceNo" in names else "basket_id")
    tickets: dict[str, list[str]] = {}
    for line in lines:
        cells = next(csv.reader([line]))
        if store is None or cells[names.index("store_id")] == store:
            tickets.setdefault(cells[ticket], []).append(line)
    groups = iter(tickets.values())
    while part := list(islice(groups, TRANSACTIONS_A_FILE)):
        yield [line for group in part for line in group]


def _poslogs(folder: Path) -> Iterator[Message]:
    for path in sorted(folder.glob("*.xml")):
        yield Message("drop", path.read_bytes(), name=path.name)


def _door_counts(path: Path, at: datetime) -> Iterator[Message]:
    """Half-hour counts of a real door, moved by whole weeks so that they end before `at`."""
    slots: dict[datetime, dict[str, int]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            begin = datetime.strptime(f"{row['date']} {row['time']}", "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC)
            slots.setdefault(begin, {})[row["flow"]] = int(row["n"])
    weeks = timedelta(weeks=(at - max(slots)) // timedelta(weeks=1))
    for begin, flows in sorted(slots.items()):
        body = alert(begin + weeks, begin + weeks + timedelta(minutes=30), flows["9"], flows["7"])
        yield Message("push", body, content_type="application/xml")


def _alerts(folder: Path) -> Iterator[Message]:
    for path in sorted(folder.glob("hik_*.xml")):
        yield Message("push", path.read_bytes(), content_type="application/xml")
