"""poslog: whatever the file, what is good in it is read and the rest is set aside."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, cast
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Item, Reading, Rejected
from devices.poslog.frames import BETWEEN, LONGEST
from devices.poslog.simulator import messages
from devices.poslog.tree import DEEPEST, Malformed, parse
from devices.registry import driver
from records.types import PosControl, PosReturn, PosSale, PosVoid, Tender, Transaction
from tests.devices.cases import decoder_of, drop_cases, fed, pieces_of, printed
from tests.devices.poslog.logs import (
    AT,
    GOOD,
    HEADER,
    NAMESPACE,
    STORE,
    goods,
    log,
    read,
    reasons,
)
from tests.samples import SHARED, needs_samples

# --- what is set aside ---------------------------------------------------------------------------------------------


ODD_AMOUNT = GOOD.replace("<RetailTransaction/>", f"<RetailTransaction>{goods(1, 'a', '1,5')}</RetailTransaction>")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("<Transaction><a></Transaction>", "it is not well-formed XML"),
        ("<Transaction>A & B</Transaction>", "it is not well-formed XML"),
        ("<Transaction><x:a/></Transaction>", "it is not well-formed XML"),
        ("<Transaction>&xxe;</Transaction>", "it is not well-formed XML"),
        ("<Transaction/>", "it is cut off by the next one"),
        ("<Transaction><SequenceNumber>1", "it is cut off by the next one"),
        ("<Transacton></Transaction>", "its beginning is missing"),
        (f"<Transaction>{HEADER}</Transaction>", "it holds no RetailTransaction, ControlTransaction or the like"),
        ("<Transaction><RetailTransaction/></Transaction>", "it has neither SequenceNumber"),
        ("<Transaction><SequenceNumber>1</SequenceNumber><RetailTransaction/></Transaction>", "it has no time"),
        (GOOD.replace("2026-11-21T00:31:00", "yesterday"), "its time is no xs:dateTime"),
        (GOOD.replace("2026-11-20", "20.11.26"), "its BusinessDayDate is no xs:date"),
        (ODD_AMOUNT, "its ExtendedAmount is not a decimal number"),
        (ODD_AMOUNT.replace("1,5", "NaN"), "its ExtendedAmount is not a decimal number"),
    ],
)  # fmt: skip
def test_a_broken_transaction_costs_itself_alone(broken: str, reason: str) -> None:
    """What stands before and after it is read."""
    items = read(log(GOOD, broken, GOOD))
    assert [type(item) for item in items] == [Reading, Rejected, Reading]
    (got,) = reasons(items)
    assert got.startswith(f"transaction 2: {reason}")


def test_a_cut_off_file_keeps_what_came_before() -> None:
    """Wherever the file ends, the complete transactions are read and the rest is said to be missing."""
    file = log(GOOD, GOOD, GOOD)
    whole = read(file)
    assert [type(item) for item in whole] == [Reading] * 3
    for cut in range(1, len(file)):
        items = read(file[:cut])
        readings = [item for item in items if isinstance(item, Reading)]
        assert readings == whole[: len(readings)]
        assert len(readings) == file[:cut].count("</Transaction>")
        assert len(reasons(items)) == 1, cut


BOMBS = {
    "billion laughs": '<!DOCTYPE POSLog [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
    "external": '<!DOCTYPE POSLog [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "parameter": '<!DOCTYPE POSLog [<!ENTITY % b SYSTEM "http://127.0.0.1:9/x.dtd"> %b;]>',
}


@pytest.mark.parametrize("doctype", BOMBS.values(), ids=BOMBS.keys())
def test_a_file_that_declares_entities_is_refused(doctype: str) -> None:
    """Nothing is expanded, nothing is fetched, nothing of it is read."""
    items = read(
        f"{doctype}<POSLog>{GOOD}<Transaction>{HEADER}<RetailTransaction>&b;</RetailTransaction></Transaction></POSLog>"
    )
    (reason,) = reasons(items)
    assert len(items) == 1
    assert reason.startswith("the file declares entities and is refused")


def test_a_doctype_without_entities_is_passed_over() -> None:
    """An old till's reference to its DTD is not followed and does no harm."""
    items = read(f'<!DOCTYPE POSLog SYSTEM "file:///etc/poslog.dtd"><POSLog>{GOOD}</POSLog>')
    assert [type(item) for item in items] == [Reading]


@pytest.mark.parametrize("file", ["", "PK\x03\x04", "a,b\n1,2\n", "<html><body/></html>", "<html><body>"])
def test_a_file_that_is_no_poslog_is_one_reject(file: str) -> None:
    """The reason says that it is none, or cut off."""
    (reason,) = reasons(read(file))
    assert reason.startswith("the file ")


@pytest.mark.parametrize("file", ["<POSLog/>", f'<POSLog xmlns="{NAMESPACE}"></POSLog>'])
def test_a_log_without_transactions_is_no_fault(file: str) -> None:
    """A till that sold nothing has nothing to say."""
    assert read(file) == []


def test_elements_in_elements_cost_their_transaction_alone() -> None:
    """However deep a damaged or hostile log nests, it is read to its end."""
    deep = f"<Transaction>{HEADER}{'<a>' * 100_000}{'</a>' * 100_000}</Transaction>"
    assert [type(item) for item in read(log(GOOD, deep, GOOD))] == [Reading, Rejected, Reading]


def test_an_endless_transaction_is_given_up() -> None:
    """Memory is bounded: beyond the limit it is set aside, and the next is read."""
    filler = "<a/>" * 50_000
    parts = [
        log()[: -len("</POSLog>")].encode(),
        b"<Transaction>",
        *[filler.encode()] * 60,
        f"</Transaction>{GOOD}</POSLog>".encode(),
    ]
    items = fed(decoder_of("poslog", STORE), parts, AT)
    assert reasons(items) == ["transaction 1: it is longer than 8 MiB"]
    assert [type(item) for item in items] == [Rejected, Reading]
    assert len(filler) * 60 > LONGEST


# --- encodings and shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("utf-8", "utf-8"), ("UTF-8", "utf-8-sig"), ("GB2312", "gb18030"), ("GBK", "gb18030"), ("gb18030", "gb18030"),
        ("utf-16", "utf-16"), ("utf-16", "utf-16-be"), ("", "utf-8"), ("", "gb18030"), ("Big5", "big5"),
    ],
)  # fmt: skip
def test_encodings_are_read_as_declared(declared: str, encoding: str) -> None:
    """Chinese names come through in every encoding that tills use."""
    name = "牛奶 ¥" if encoding != "big5" else "牛奶"
    sale = f"<LineItem><Sale><Description>{name}</Description><Quantity>1</Quantity></Sale></LineItem>"
    body = log(f"<Transaction>{HEADER}<RetailTransaction>{sale}</RetailTransaction></Transaction>")
    file = body.replace(' encoding="utf-8"', f' encoding="{declared}"' if declared else "").encode(encoding)
    (item,) = read(file)
    assert isinstance(item, Reading), item
    assert cast(Transaction, item.data).lines[0].name == name


def test_bytes_outside_the_encoding_cost_their_transaction_alone() -> None:
    """A damaged name does not spoil the file."""
    damaged = GOOD.replace("<RetailTransaction/>", "<RetailTransaction>caf\xe9</RetailTransaction>")
    items = read(log(GOOD, damaged, GOOD).encode("latin-1"))
    assert [type(item) for item in items] == [Reading, Rejected, Reading]
    assert reasons(items) == ["transaction 2: it is not in the encoding utf-8"]


ODD = GOOD.replace("<RetailTransaction/>", "<RetailTransaction x:y='1'/>")
HIDDEN = GOOD.replace("<RetailT", "<!-- </Transaction> --><a><![CDATA[</Transaction>]]></a><RetailT")


@pytest.mark.parametrize(
    "file",
    [
        re.sub("<(/?)(?=[A-Z])", r"<\1p:", f"<POSLog xmlns:p='{NAMESPACE}'>{GOOD}</POSLog>"),
        f"<POSLog xmlns='http://www.nrf-arts.org/IXRetail/v6.0.0/poslog' MajorVersion='6'>{GOOD}</POSLog>",
        f"<s:Envelope xmlns:s='urn:s'><s:Body><POSLog xmlns:x='urn:x'>{ODD}</POSLog></s:Body></s:Envelope>",
        GOOD,
        f"<!-- <Transaction> --><POSLog><StoreID>9</StoreID>{HIDDEN}</POSLog>",
    ],
    ids=["prefix", "v6", "envelope", "bare", "hidden tags"],
)  # fmt: skip
def test_wrappings_do_not_matter(file: str) -> None:
    """Prefixes, other namespaces, envelopes, none at all, tags in comments: the transaction is read."""
    (item,) = read(file)
    assert isinstance(item, Reading), item
    assert item.data == cast(Reading, read(log(GOOD))[0]).data


# --- any input -----------------------------------------------------------------------------------------------------

TOKENS = [
    GOOD, "<Transaction>", "</Transaction>", "<Transaction", "<p:Transaction ", "<!--", "-->", "<![CDATA[", "]]>",
    "<?", "?>", "<POSLog>", "</POSLog>", "<!ENTITY", "<!DOCTYPE a [", "]>", "&a;", "<", ">", "&", "\xff", "牛", "</",
    "<RetailTransaction>",
]  # fmt: skip
noisy = st.lists(st.sampled_from(TOKENS).map(str.encode) | st.binary(max_size=6), max_size=25).map(b"".join)


@given(noisy, st.lists(st.integers(0, 4000), max_size=5))
def test_chunking_does_not_matter(noise: bytes, cuts: list[int]) -> None:
    """However the file is sliced, the same comes out, and nothing raises."""
    file = b"<POSLog>" + noise + GOOD.encode() + b"</POSLog>"
    whole = read(file)
    assert fed(decoder_of("poslog", STORE), pieces_of(file, cuts), AT) == whole
    assert fed(decoder_of("poslog", STORE), [bytes([byte]) for byte in file[:600]], AT) == read(file[:600])
    printed(whole)


def test_recorded_logs_are_the_same_byte_by_byte() -> None:
    """A whole log fed in single bytes gives what it gives in one piece."""
    for capture in drop_cases("poslog"):
        data = capture.read_bytes()
        assert fed(decoder_of("poslog", STORE), [data[n : n + 1] for n in range(len(data))], AT) == read(data)


@given(st.integers(0, 20_000), st.binary(min_size=1, max_size=30))
def test_damaged_logs_never_raise(place: int, noise: bytes) -> None:
    """A real log with bytes overwritten anywhere gives records and rejects that can be printed."""
    data = bytearray(drop_cases("poslog")[1].read_bytes())
    place %= len(data)
    data[place : place + len(noise)] = noise
    printed(read(bytes(data)))


def test_a_megabyte_of_garbage_is_bounded() -> None:
    """Noise is one reject of at most 4 KiB, whether or not it begins like a comment."""
    noise = Random(11).randbytes(1_000_000)
    for file in (noise, b"<!--" + noise, b"<?xml " + noise):
        items = read(file)
        assert 1 <= len(items) <= 3
        assert all(len(cast(Rejected, item).raw) <= 4096 for item in items)
    assert len(noise) > BETWEEN


def test_the_simulator_speaks_what_the_driver_reads() -> None:
    """Simulated logs decode without a reject, in both versions, with every kind of ticket and no full card number."""
    start = datetime(2026, 11, 21, 9, tzinfo=STORE.timezone)
    items: list[Item] = []
    for seed in range(6):
        sent = list(islice(messages(Random(seed), start + timedelta(days=seed), timedelta(minutes=5)), 20))
        assert sent == list(islice(messages(Random(seed), start + timedelta(days=seed), timedelta(minutes=5)), 20))
        items += [item for message in sent for item in read(message.body)]
    assert reasons(items) == []
    data = [cast(Any, item).data for item in items]
    assert {type(one) for one in data} == {PosSale, PosReturn, PosVoid, PosControl}
    assert len({one.source_id for one in data}) == len(items) > 900
    sales = [one for one in data if isinstance(one, PosSale | PosReturn)]
    assert all(sum(line.extended_amount for line in one.lines) == one.total for one in sales)
    assert any(tender.masked_pan == "411111******1111" for one in sales for tender in one.tenders)
    assert b"4111111111111111" not in b"".join(cast(Reading, item).raw for item in items)


def test_a_dropped_log_is_read_through_the_folder(tmp_path: Path) -> None:
    """The device takes a log from its folder; one that is cut off in a long transaction is kept in failed/."""
    package = driver("poslog")
    options = package.options.model_validate({"id": "a", "driver": "poslog", "path": tmp_path, "settle_s": 0})
    (tmp_path / "a.xml").write_text(log(GOOD))
    (tmp_path / "b.xml").write_text(log(GOOD, f"<Transaction>{'<a/>' * 2000}")[:7000])
    device = cast(Any, package.device(options, STORE))
    device.open()
    for _ in range(2):
        taken = device.read(0)
        assert isinstance(taken.items[0].data, PosControl)
        taken.confirm()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["b.xml", "b.xml.reason", "failed"]


# --- samples -------------------------------------------------------------------------------------------------------


def _plain(path: Path) -> tuple[int, int, Decimal]:
    """Transactions, sale lines and the sum of grand amounts, by a plain walk over the file."""
    root = ElementTree.parse(path).getroot()  # noqa: S314 - a sample of ours
    every = [element.tag.rpartition("}")[2] for element in root.iter()]
    totals = [e for e in root.iter() if e.tag.endswith("}Total") and e.get("TotalType") == "TransactionGrandAmount"]
    return every.count("Transaction"), every.count("Sale"), sum((Decimal(e.text or "") for e in totals), Decimal(0))


@needs_samples
def test_real_logs_sum_as_a_plain_walk_over_them() -> None:
    """Transactions, lines and totals of real logs equal those counted without our code; nothing is set aside."""
    logs = sorted((cast(Path, SHARED) / "samples/pos_poslog").glob("*.xml"))
    assert logs
    for path in logs:
        items = read(path.read_bytes())
        assert reasons(items) == []
        sales = [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, Transaction)]
        total = sum((sale.total or 0 for sale in sales), Decimal(0))
        assert (len(items), sum(len(sale.lines) for sale in sales), total) == _plain(path)


@needs_samples
def test_a_real_log_keeps_no_name_and_no_expiry() -> None:
    """The Wincor log's masked number stays masked, its expiry and its operator's name are gone."""
    items = read((cast(Path, SHARED) / "samples/pos_poslog/wincor_ikea_v2.2_pt_2015_abridged.xml").read_bytes())
    shown = json.dumps(printed(items)) + "".join(cast(Reading, item).raw.decode() for item in items)
    assert not [word for word in ("REDACTED", "2012-12", "422003") if word in shown]
    assert [type(cast(Reading, item).data) for item in items] == [PosControl, PosSale]
    (tender,) = cast(Transaction, cast(Reading, items[1]).data).tenders
    assert tender == Tender("card", Decimal("34.99"), "*" * 16)


def test_elements_nested_deeper_than_any_logs_are_refused() -> None:
    """A transaction within the limit of bytes may still be a tree of millions; it is given up at its 257th level."""
    deep = DEEPEST - 2
    assert parse(b"<log><Transaction>%b%b</Transaction></log>" % (b"<a>" * deep, b"</a>" * deep)).tag == "Transaction"
    with pytest.raises(Malformed, match="deeper than 256"):
        parse(b"<log><Transaction>%b%b</Transaction></log>" % (b"<a>" * 10**6, b"</a>" * 10**6))
