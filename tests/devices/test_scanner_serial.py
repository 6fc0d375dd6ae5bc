"""scanner-serial: a scanner's line becomes scans, and payment codes leave no trace."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from devices.driver import Context, Item, Reading, Rejected
from devices.registry import driver
from devices.scanner_serial.frames import MAX_CODE
from devices.scanner_serial.simulator import checked, messages, payment_code
from edge_agent.cleaning import quarantine
from records import Record, to_json
from records.types import PaymentCode, Scan
from tests.devices.cases import decoder_of, fed, pieces_of
from tests.samples import SHARED, needs_samples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


def read(*codes: str, end: str = "\r", **settings: Any) -> list[Item]:
    line = "".join(code + end for code in codes).encode()
    return fed(decoder_of("scanner-serial", Context(), **settings), [line], AT)


def scan(code: str, **settings: Any) -> Scan:
    (item,) = read(code, **settings)
    assert isinstance(item, Reading), item
    assert isinstance(item.data, Scan)
    return item.data


def kinds(items: list[Item]) -> list[type]:
    return [type(item.data) if isinstance(item, Reading) else Rejected for item in items]


LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([b"\r", b"\n", b"\r\n", b"6901234567892\r", b"]C1010690123456789210A\x1d3103001234\r\n"]),
        st.sampled_from([b"x" * (MAX_CODE - 1), b"9" * (2 * MAX_CODE + 7), b"\x00" * 5000]),
    ),
    max_size=8,
).map(b"".join)


@given(
    line=LINES, cuts=st.lists(st.integers(0, 30_000), max_size=6), suffix=st.sampled_from(["auto", "cr", "lf", "tab"])
)
def test_chunking_does_not_matter(line: bytes, cuts: list[int], suffix: str) -> None:
    """However the port slices the line, the same scans come out."""
    pieces = pieces_of(line, cuts)

    whole = fed(decoder_of("scanner-serial", Context(), suffix=suffix), [line], AT)
    assert fed(decoder_of("scanner-serial", Context(), suffix=suffix), pieces, AT) == whole


def test_garbage_makes_few_and_bounded_rejects() -> None:
    """A megabyte of noise is set aside in stretches, not byte by byte."""
    items = fed(decoder_of("scanner-serial", Context()), [Random(4).randbytes(1 << 20)], AT)

    rejects = [item for item in items if isinstance(item, Rejected)]
    assert 200 < len(rejects) < 1000
    assert max(len(item.raw) for item in rejects) <= MAX_CODE
    assert sum(len(item.raw) for item in rejects) > 1_000_000


@pytest.mark.parametrize(
    ("sent", "symbology", "gtin"),
    [
        ("6901234567892", "ean-13", "06901234567892"),
        ("]E06901234567892", "ean-13", "06901234567892"),
        ("7032069804988", "ean-13", "07032069804988"),
        ("036000291452", "upc-a", "00036000291452"),
        ("]E00036000291452", "upc-a", "00036000291452"),
        ("96385074", "ean-8", "00000096385074"),
        ("04252614", "upc-e", "00042100005264"),
        ("16901234567899", "itf-14", "16901234567899"),
        ("]I116901234567899", "itf-14", "16901234567899"),
        ("]E3690123456789212", "ean-13", "06901234567892"),
        ("]E02112345678900|]e099COMPOSITE\x1d98XYZ", "ean-13", "02112345678900"),
    ],
)
def test_an_article_has_its_gtin_in_14_digits(sent: str, symbology: str, gtin: str) -> None:
    """EAN, UPC and ITF-14, with and without identifier, add-on and composite."""
    found = scan(sent)
    assert (found.symbology, found.gtin) == (symbology, gtin)


@pytest.mark.parametrize("sent", ["6901234567893", "]E06901234567893", "96385075", "]I116901234567890", "036000291453"])
def test_a_wrong_check_digit_is_set_aside_with_its_bytes(sent: str) -> None:
    """A misread code is no scan; what was read is kept."""
    (item,) = read(sent)
    assert isinstance(item, Rejected)
    assert "check digit" in item.reason
    assert item.raw == sent.encode()


def test_gs1_data_gives_elements_weight_and_price() -> None:
    """Application identifiers are split at FNC1; 310x is kilograms, 392x a price."""
    found = scan("]C1010690123456789231030012343922" + "0299\x1d10A/7\x1d")

    assert found.elements == {"01": "06901234567892", "3103": "001234", "3922": "0299", "10": "A/7"}
    assert (found.weight_kg, found.price) == (Decimal("1.234"), Decimal("2.99"))
    assert found.symbology == "gs1-128"


@pytest.mark.parametrize("sent", ["]C10106901234567893", "]C100376130321109103421", "]d2", "]Q3zzz"])
def test_broken_gs1_data_is_set_aside(sent: str) -> None:
    """A wrong check digit within, or no element at all, under an identifier that promises GS1 data."""
    assert kinds(read(sent)) == [Rejected]


def test_unmarked_gs1_data_needs_a_right_check_digit() -> None:
    """Without identifier a text is GS1 data only when its first number proves it."""
    assert scan("010690123456789210ABC").elements == {"01": "06901234567892", "10": "ABC"}
    assert scan("010690123456789310ABC").elements == {}
    assert scan("10ABC123").elements == {}


def test_a_plain_web_address_is_plain_text() -> None:
    """Only addresses with GS1 keys in their path are Digital Links."""
    assert scan("]Q1https://id.gs1.org/01/06901234567892/10/A7").elements == {"01": "06901234567892", "10": "A7"}
    assert scan("]Q1https://example.org/01/06901234567893").elements == {}
    assert scan("]Q1https://[::1/01/x").code == "https://[::1/01/x"


def test_chinese_text_is_read_in_utf8_and_gb18030() -> None:
    """QR codes carry either; both come out the same."""
    for encoding in ("utf-8", "gb18030"):
        (item,) = fed(decoder_of("scanner-serial", Context()), ["]Q1灭火器-3号\r".encode(encoding)], AT)
        assert isinstance(item, Reading)
        assert item.data == Scan("灭火器-3号", "qr", role="sale")


@pytest.mark.parametrize(
    ("layout", "code", "kg", "price"),
    [
        ("FF IIIII EEEEE C", checked("281234501299"), None, "12.99"),
        ("FF IIIII VVVVV C", checked("281234501299"), None, "12.99"),
        ("FFIIIIIVVVVVC:weight", checked("281234501299"), "1.299", None),
        ("F WWWWWW NNNNN EEEEE C", checked("20012345432100250"), "1.234", "2.50"),
    ],
)
def test_a_scales_label_is_read_by_the_chains_layout(layout: str, code: str, kg: str | None, price: str | None) -> None:
    """The notation says which digits are grams and which are cents."""
    found = scan(code, scale_prefixes=["2"], scale_layout=[layout])
    assert found.price == (Decimal(price) if price else None)
    assert found.weight_kg == (Decimal(kg) if kg else None)


def test_the_measure_is_zeroed_in_the_gtin() -> None:
    """Two labels of one item have one GTIN, with a check digit of its own."""
    found = {scan(checked(f"2812345{cents:05d}"), scale_prefixes=["28"]).gtin for cents in (1299, 250)}
    assert found == {"0" + checked("281234500000")}


@pytest.mark.parametrize("layout", ["", "IIIII", "FF IIIII XXXXX C", "FF IIIII VVVVV C:colour", "C FF IIIII EEEEE"])
def test_a_layout_that_cannot_be_read_is_refused(layout: str) -> None:
    """The setting's fault is told, not guessed around."""
    with pytest.raises(ValidationError, match="scale_layout"):
        decoder_of("scanner-serial", Context(), scale_layout=[layout])


def test_the_18_digit_clash_goes_by_role_prefix_and_check_digit() -> None:
    """A number that could be a label or an Alipay code is a label only where all three say so."""
    label = checked("28123456789012345")
    wrong = label[:-1] + str((int(label[-1]) + 1) % 10)
    known: dict[str, Any] = {"scale_prefixes": ["28"]}

    assert kinds(read(label, **known)) == [Scan]
    assert kinds(read(wrong, **known)) == [PaymentCode]
    assert kinds(read(label)) == [PaymentCode]
    assert kinds(read("]Q1" + label, **known)) == [PaymentCode]
    assert kinds(read(label, role="receiving")) == [Scan]
    assert kinds(read(label, payment_codes=False)) == [Scan]


@pytest.mark.parametrize("aim", ["", "]C0", "]Q1", "\x02"])
def test_a_hundred_payment_codes_appear_in_no_output(aim: str) -> None:
    """Not in readings, reasons, raw bytes or state: whole, run together, cut off or within other text."""
    rng = Random(7)
    codes = [payment_code(rng) for _ in range(100)]
    lines = [f"{aim}{code}\r".encode() for code in codes]
    lines += [f"pay {code} now\r".encode() for code in codes]
    lines += [b"\x01\xff" + code.encode() + b"\x07\r" for code in codes]
    lines += [(one + other).encode() + b"\r" for one, other in pairwise(codes)]
    device = decoder_of("scanner-serial", Context())
    items = [item for line in lines for item in device.feed(line, AT)]
    items += [item for code in codes for item in [*device.feed(code[:-3].encode(), AT), *device.end(AT)]]

    told = b"".join(_everything(item) for item in items)
    assert kinds(items).count(PaymentCode) == 100
    assert [code for code in codes if code.encode() in told or code[:-3].encode() in told] == []


def _everything(item: Item) -> bytes:
    if isinstance(item, Rejected):
        return repr(item).encode() + item.raw + to_json(quarantine(item, "scanner"))
    return repr(item).encode() + item.raw + to_json(Record("scanner", item.at, item.data))


def test_equal_scans_count_except_before_a_presentation_scanner() -> None:
    """Two equal items are two scans; with a window the same code again is one."""
    assert len(read("6901234567892", "6901234567892")) == 2
    device = decoder_of("scanner-serial", Context(), window_s=2)
    seconds = [0, 1, 2.5, 6]
    brought = [len(device.feed(b"6901234567892\r", AT + timedelta(seconds=second))) for second in seconds]
    assert brought == [1, 0, 0, 1]


def test_what_a_suffix_should_have_ended_is_cut_off() -> None:
    """Once a scanner has shown its suffix, half a line is no scan."""
    items = read("6901234567892", "96385074", end="\r")
    assert kinds(items) == [Scan, Scan]
    device = decoder_of("scanner-serial", Context())
    device.feed(b"6901234567892\r96385074", AT)
    (left,) = device.end(AT)
    assert isinstance(left, Rejected)
    assert "cut off" in left.reason


def test_a_scanner_without_suffix_ends_a_code_by_silence() -> None:
    """Whether told so or never having shown one."""
    for settings in ({"suffix": "none"}, {}):
        device = decoder_of("scanner-serial", Context(), **settings)
        device.feed(b"6901234567892", AT)
        assert kinds(list(device.end(AT))) == [Scan]


def test_the_simulator_speaks_the_protocol() -> None:
    """All that it says decodes; misreads and payment codes are among it."""
    said = b"".join(message.body for message in islice(messages(Random(3), AT, timedelta(seconds=1)), 500))
    items = fed(decoder_of("scanner-serial", Context(), scale_prefixes=["28"]), [said], AT)

    assert len(items) == 500
    assert {Scan, PaymentCode, Rejected} == set(kinds(items))
    assert any(isinstance(item, Reading) and getattr(item.data, "price", None) for item in items)


def test_the_driver_is_registered() -> None:
    """The registry finds options and decoder under the driver's name."""
    assert driver("scanner-serial").options.__name__ == "Options"


def _vectors(name: str) -> list[Any]:
    assert SHARED
    return list(json.loads((SHARED / "samples/barcode" / name).read_text()))


@needs_samples
def test_gs1_vectors_of_scanned_data_decode() -> None:
    """What GS1's own engine says a scanner sends is read back to the same elements."""
    checked_count = 0
    for symbology, data, sent in _vectors("gs1_engine_scandata_testGenerateScanData.json"):
        if not sent or not data.startswith("^") or symbology.startswith(("EAN", "UPC", "ITF")):
            continue
        found = scan(sent, end="\r\n")
        expected = data.replace("|", "").replace("^", "")
        assert "".join(ai + value for ai, value in found.elements.items()) == expected, sent
        checked_count += 1
    assert checked_count > 10


@needs_samples
def test_gs1_vectors_of_digital_links_give_their_gtin() -> None:
    """Good links give the GTIN that the vector names; bad ones are plain text, never an error."""
    compared = 0
    for good, uri, expected in _vectors("gs1_engine_dl_parseDLuri.json"):
        if not uri.startswith("http") or not uri.isascii() or "\\" in uri:
            continue
        found = scan(f"]Q1{uri}")
        gtin = re.match(r"\^01(\d{14})", expected)
        if good and gtin and "/01/" in uri and "235" not in uri:
            assert found.gtin == gtin[1], uri
            compared += 1
    assert compared > 25


@needs_samples
def test_biip_vectors_of_gtins_are_read() -> None:
    """Each GTIN of the library's own tests is an article with that number."""
    for group in _vectors("biip_gtin_test_parse.json"):
        for (value,) in group["cases"] if group["test"] != "test_parse_nonnumeric_value" else []:
            assert scan(value).gtin == value.zfill(14)


@needs_samples
def test_payment_codes_of_tills_are_told_by_scheme() -> None:
    """Real, expired codes are recognised."""
    assert SHARED
    for case in json.loads((SHARED / "samples/pos_pay/payment_codes.json").read_text()):
        (item,) = read(case["code"])
        assert isinstance(item, Reading)
        assert item.data == PaymentCode(case["kind"])
