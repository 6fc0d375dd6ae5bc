"""`edge-agent replay` tells what captured bytes mean, and never fails over what is in them."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from devices.ir_thermometer.simulator import frame
from devices.registry import BUILT_IN, drivers
from edge_agent.cli import main
from tests.samples import SHARED, needs_samples


@pytest.fixture
def out(capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    """What the command printed: records, and the words beside them."""

    def read() -> tuple[list[dict[str, Any]], str]:
        printed = capfdbinary.readouterr()
        return [json.loads(line) for line in printed.out.splitlines()], printed.err.decode()

    return read


def test_each_record_is_one_json_object_a_line(tmp_path: Path, out: Any) -> None:
    """With type, device, at and data; rejects are among them as quarantine."""
    capture = tmp_path / "scanner.bin"
    capture.write_bytes(b"6901234567892\r6901234567893\r134605723733336326\r")
    assert main(["replay", "scanner-serial", str(capture), "--json"]) == 0

    records, words = out()
    assert [record["type"] for record in records] == ["scan", "quarantine", "payment.code"]
    assert {key for record in records for key in record} == {"type", "device", "at", "data"}
    assert records[0]["data"]["gtin"] == "06901234567892"
    assert "2 records, 1 set aside" in words


def test_without_json_a_person_reads_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Time, type and what it says."""
    (tmp_path / "t").write_bytes(frame(36.5))
    assert main(["replay", "ir-thermometer", str(tmp_path / "t")]) == 0
    line = capfd.readouterr().out
    assert "temp.check" in line
    assert "36.5" in line


@pytest.mark.parametrize("text", ["66 66 02 04 0e 42 0a 28 82", "0x66,0x66,0x02,0x04,0x0E,0x42,0x0A,0x28,0x82\n"])
def test_hexadecimal_captures(text: str, tmp_path: Path, out: Any) -> None:
    """As terminals and manuals write them."""
    (tmp_path / "t.hex").write_text(text)
    assert main(["replay", "ir-thermometer", str(tmp_path / "t.hex"), "--json", "--hex"]) == 0
    assert [record["data"]["celsius"] for record in out()[0]] == [36.5]


def test_files_of_one_device_follow_each_other(tmp_path: Path, out: Any) -> None:
    """What a device said in one file is its state in the next."""
    for number, celsius in enumerate((37.6, 36.8)):
        (tmp_path / f"{number}").write_bytes(frame(celsius))
    assert main(["replay", "ir-thermometer", str(tmp_path / "0"), str(tmp_path / "1"), "--json"]) == 0
    assert [record["data"]["verdict"] for record in out()[0]] == ["suspect", "resolved"]


def test_an_event_sent_again_is_told_once(tmp_path: Path, out: Any) -> None:
    """As the agent does, by the source's own identity."""
    push = (Path(__file__).resolve().parents[2] / "devices/hikvision_count/cases/ds-2cd-multipart.bin").read_bytes()
    (tmp_path / "pushes").write_bytes(push + push)
    assert main(["replay", "hikvision-count", str(tmp_path / "pushes"), "--json"]) == 0
    records, words = out()
    assert len(records) == 2
    assert "2 repeats" in words


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch, out: Any) -> None:
    """`-` reads what is piped in."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(frame(36.5))))
    assert main(["replay", "ir-thermometer", "-", "--json"]) == 0
    assert len(out()[0]) == 1


def test_settings_are_read_as_what_they_are(tmp_path: Path, out: Any) -> None:
    """Numbers, choices among numbers, lists and nested keys, all from text."""
    (tmp_path / "s").write_bytes(b"2812345012994\r")
    chosen = ["scale_prefixes=27,28", "scale_layout=FF IIIII VVVVV C:weight", "bytesize=7", "role=waste", "gap_s=1.5"]
    sets = [part for setting in chosen for part in ("--set", setting)]
    assert main(["replay", "scanner-serial", str(tmp_path / "s"), "--json", *sets]) == 0
    ((record,), _) = out()
    assert record["data"]["weight_kg"] == "1.299"
    assert record["data"]["role"] == "waste"


def test_a_dotted_key_reaches_inner_settings(tmp_path: Path, out: Any) -> None:
    """As csv-drop's columns have."""
    (tmp_path / "day.csv").write_text("Nr,When,Art,Qty,Price\n7,2026-11-21 09:00,A,1,2.50\n")
    names = {"transaction_id": "Nr", "at": "When", "item_id": "Art", "quantity": "Qty", "unit_price": "Price"}
    sets = [part for field, header in names.items() for part in ("--set", f"columns.{field}={header}")]
    assert main(["replay", "csv-drop", str(tmp_path / "day.csv"), "--json", *sets]) == 0
    assert [record["data"]["total"] for record in out()[0]] == ["2.50"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("scale_prefix=28", "did you mean scale_prefixes?"),
        ("role=boss", "role"),
        ("gap_s=soon", "gap_s"),
        ("timezone=Mars/Olympus", "timezone"),
        ("scale_layout=ABC", "scale_layout"),
        ("role.of=sale", "role"),
    ],
)
def test_a_bad_setting_is_a_fault_of_configuration(setting: str, said: str, tmp_path: Path, out: Any) -> None:
    """Exit code 78, and a sentence that names the setting."""
    (tmp_path / "s").write_bytes(b"")
    assert main(["replay", "scanner-serial", str(tmp_path / "s"), "--set", setting]) == 78
    assert said in out()[1]


def test_a_missing_file_and_an_unknown_driver_are_told(tmp_path: Path, out: Any) -> None:
    """Each with its own exit code and no traceback."""
    assert main(["replay", "scanner-serial", str(tmp_path / "nothing")]) == 1
    assert "nothing: No such file" in out()[1]
    assert main(["replay", "scanner-cereal", str(tmp_path / "nothing")]) == 2
    assert "did you mean scanner-serial?" in out()[1]
    (tmp_path / "no.hex").write_text("zz")
    assert main(["replay", "scanner-serial", str(tmp_path / "no.hex"), "--hex"]) == 1
    assert "hexadecimal" in out()[1]


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_megabyte_of_garbage_is_read_to_its_end(name: str, tmp_path: Path, out: Any) -> None:
    """Exit 0, something set aside, and no flood of records."""
    (tmp_path / "noise").write_bytes(Random(9).randbytes(1 << 20))
    switched_on = ["--set", "enabled=true"] if name == "wifi-probe" else []
    assert main(["replay", name, str(tmp_path / "noise"), "--json", *switched_on]) == 0
    records, _ = out()
    kinds = [record["type"] for record in records]
    assert kinds.count("quarantine") >= 1
    assert len(kinds) < 2_000
    assert max(len(record["data"].get("raw", "")) for record in records) < 6_000


def test_every_drivers_cases_can_be_replayed(out: Any) -> None:
    """The captures beside each driver go through the whole command."""
    replayed = 0
    for name, package in drivers().items():
        folder = Path(__file__).resolve().parents[2] / package.package.replace(".", "/") / "cases"
        for capture in sorted(folder.glob("*")):
            if capture.suffix != ".json":
                assert main(["replay", name, str(capture), "--json"]) == 0
                replayed += len(out()[0])
    assert replayed > 20


@needs_samples
@pytest.mark.parametrize(
    ("name", "pattern", "kind"),
    [
        ("csv-drop", "pos_csv/uci_online_retail_2010-12-01.csv", "pos.sale"),
        ("hikvision-count", "door_counter/hik_peoplecounting_*", "door.count"),
    ],
)
def test_samples_replay_to_their_types(name: str, pattern: str, kind: str, out: Any) -> None:
    """The recorded files of real devices decode to the records they are."""
    assert SHARED
    files = sorted((SHARED / "samples").glob(pattern))
    assert files
    for file in files:
        assert main(["replay", name, str(file), "--json", "--set", "timezone=Asia/Shanghai"]) == 0
        assert kind in {record["type"] for record in out()[0]}


@needs_samples
def test_a_recorded_till_log_replays_field_by_field(out: Any) -> None:
    """A sale of a real POSLog 2.2: who, when, what, how much and how it was paid."""
    assert SHARED
    log = SHARED / "samples/pos_poslog/wincor_ikea_v2.2_pt_2015_abridged.xml"
    assert main(["replay", "poslog", str(log), "--json", "--set", "timezone=Europe/Lisbon"]) == 0
    control, sale = out()[0]
    assert (control["type"], control["data"]["kind"], control["data"]["workstation"]) == (
        "pos.control",
        "no-sale",
        "10",
    )
    assert (sale["type"], sale["at"]) == ("pos.sale", "2015-06-13T11:34:41Z")
    data = sale["data"]
    told = ("transaction_id", "workstation", "business_day", "currency", "total", "tax")
    assert [data[name] for name in told] == ["26", "10", "2015-06-13", "EUR", "34.99", "6.54"]
    assert data["operator"].startswith("p-")
    assert [(line["item_id"], line["quantity"], line["extended_amount"]) for line in data["lines"]] == [
        ("80271714", "1", "27.99"),
        ("80240505", "1", "2.5"),
        ("17228340", "2", "1"),
        ("50097995", "1", "3.5"),
    ]
    assert [(tender["kind"], tender["amount"]) for tender in data["tenders"]] == [("card", "34.99")]
    assert "*" in data["tenders"][0]["masked_pan"]


@needs_samples
def test_a_recorded_count_and_a_recorded_frame_replay_field_by_field(tmp_path: Path, out: Any) -> None:
    """A camera's interval, and a thermometer's published frame, from the bytes in hexadecimal."""
    assert SHARED
    push = SHARED / "samples/door_counter/hik_peoplecounting_psia_timerange_2020.xml"
    assert main(["replay", "hikvision-count", str(push), "--json"]) == 0
    ((count,), _) = out()
    span = {"from": "2020-04-19T17:33:00Z", "to": "2020-04-19T17:35:00Z"}
    assert (count["type"], count["at"]) == ("door.count", "2020-04-19T17:35:00Z")
    assert count["data"] == {"in": 0, "out": 0, **span, "line": "1"}

    (frame_told,) = json.loads((SHARED / "samples/thermometer/ir_body_temp_66_66_frame.json").read_text())
    (tmp_path / "frame.hex").write_text(frame_told["hex"])
    assert main(["replay", "ir-thermometer", str(tmp_path / "frame.hex"), "--json", "--hex"]) == 0
    ((check,), _) = out()
    assert (check["type"], check["data"]["celsius"], check["data"]["verdict"]) == ("temp.check", 26.91, "invalid")


@needs_samples
def test_a_recorded_week_of_baskets_replays_to_its_sum(out: Any) -> None:
    """Every basket is one sale, and together they are worth what the file's own column says."""
    assert SHARED
    week = SHARED / "samples/pos_csv/completejourney_store_week.csv"
    with week.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert main(["replay", "csv-drop", str(week), "--json", "--set", "timezone=America/New_York"]) == 0
    records, words = out()
    assert "0 set aside" in words
    assert {record["type"] for record in records} == {"pos.sale"}
    assert sorted(record["data"]["transaction_id"] for record in records) == sorted({row["basket_id"] for row in rows})
    assert sum(Decimal(r["data"]["total"]) for r in records) == sum(Decimal(row["sales_value"]) for row in rows)


# The peak that wait4 tells counts the process that started it; this is the program's own.
MEASURED = """
import sys
from pathlib import Path
from edge_agent.cli import main
code = main(sys.argv[1:])
print(Path("/proc/self/status").read_text(), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("name", ["csv-drop", "hikvision-count", "ir-thermometer", "poslog", "scanner-serial"])
def test_garbage_is_read_in_bounded_memory(name: str, tmp_path: Path) -> None:
    """A process of its own, its memory measured: exit 0, and rejects counted."""
    (tmp_path / "noise").write_bytes(Random(11).randbytes(1 << 20))
    argv = [sys.executable, "-c", MEASURED, "replay", name, str(tmp_path / "noise"), "--json"]
    replay = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    (rejected,) = re.findall(r"(\d+) set aside", replay.stderr)
    assert int(rejected) >= 1
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", replay.stderr)
    assert int(peak) < 128 * 1024  # the program alone takes 50 MB
