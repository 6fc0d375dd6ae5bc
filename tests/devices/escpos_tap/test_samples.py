"""Real and third-party prints: each decodes to what its source says."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from devices.driver import Reading, Rejected
from records.types import CashEvent
from tests.devices.escpos_tap.tapped import printed, receipt, receipts, rejected, sample, tapped
from tests.samples import SHARED, needs_samples

pytestmark = needs_samples

FOLDER = SHARED / "samples" / "pos_escpos" if SHARED else None
PRINTS = sorted(FOLDER.glob("rl-*.bin")) if FOLDER else []
NOT_ESCPOS = "NOT-escpos"
TIMES = re.compile(r"\{image:[^}]*\}|\{[^}]*\}|[\^`_]|~")


def words(text: str) -> list[str]:
    """What can be read of a line: in compatibility form, without frames and blanks."""
    plain = re.sub("[\u2500-\u257f│]", " ", unicodedata.normalize("NFKC", text))
    return plain.split()


def source_of(capture: Path) -> list[str]:
    """The words of the document that a third party rendered into the capture."""
    document = "-".join(capture.stem.split("-")[1:3])
    text = (capture.parent / f"rl-src-{document}.receipt.txt").read_text(encoding="utf-8")
    lines = []
    for line in TIMES.sub(lambda found: " " if found[0] == "~" else "", text).replace("|", " ").split("\n"):
        if not re.fullmatch(r"[\s=-]*", line):
            lines.append(line)
    return words("\n".join(lines))


@pytest.mark.parametrize("capture", [p for p in PRINTS if NOT_ESCPOS not in p.stem], ids=lambda path: path.stem)
def test_rendered_documents_read_as_their_source(capture: Path) -> None:
    """Every word of the source, in its order; what an encoder could not encode it wrote as a question mark."""
    settings = {"encoding": "big5"} if "big5" in capture.stem else {}
    found = words("\n".join(one.text for one in receipts(tapped(capture.read_bytes(), **settings))))
    expected = source_of(capture)
    found = [word for word in found if word not in ("[CODE39", "0003]")]
    assert len(found) == len(expected)
    for word, wanted in zip(found, expected, strict=True):
        assert re.fullmatch(re.escape(word).replace(r"\?", ".?").replace("?", ".?"), wanted) or word == wanted


def test_pictures_of_rendered_documents_are_counted() -> None:
    """One where the source has one, none where it has none."""
    counts = {path.stem: sum(one.images for one in receipts(tapped(path.read_bytes()))) for path in PRINTS}
    with_picture = {name for name in counts if re.search("receipt|guest", name)}
    assert {name: count for name, count in counts.items() if count} == dict.fromkeys(with_picture, 1)


def test_kitchen_slips_are_two_documents() -> None:
    """The cut between them parts them; the cut before them is none."""
    assert len(receipts(tapped(sample(SHARED, "rl-ja-kitchen-escpos-gb18030.bin")))) == 2


def test_the_receipt_with_a_logo_reads_as_its_documentation() -> None:
    """Line for line, with its picture, and the drawer opened behind it."""
    items = tapped(sample(SHARED, "receipt-with-logo.bin"))
    documentation = sample(SHARED, "receipt-with-logo.esc2text.md").decode()
    expected = re.search(r"\$ php esc2text.php receipt-with-logo.bin\n(.*?)\n```", documentation, re.DOTALL)
    assert expected
    (found,) = receipts(items)
    assert found.text == expected[1].rstrip()
    assert found.images == 1
    assert [item.data.kind for item in items if isinstance(item, Reading) and isinstance(item.data, CashEvent)] == [
        "drawer-open"
    ]


def test_fire_panels_read_in_chinese() -> None:
    """Their line ends, framing, NULs and vendor's commands."""
    assert (
        printed(sample(SHARED, "gbk-tap-01-duplicate-lines.bin")).split("\n")
        == [
            "03/07 05:15 09-008 故障恢复",
            "一层2区烟感",
        ]
        * 3
    )
    assert printed(sample(SHARED, "gbk-tap-02-line.bin")) == "002-052 光电感烟 通讯故障 16-03-30 19:41 夹层商场烟感"
    two = [one.text.split("\n")[0] for one in receipts(tapped(sample(SHARED, "gbk-tap-03-two-records.bin")))]
    assert two == ["火警 2017/05/13 02:19:10", "启动 2017/05/13 02:19:12"]
    assert printed(sample(SHARED, "gbk-tap-06-kanji-mode-2.bin")).split("\n")[1:] == [
        "防火分区  光电探测器",
        "火警001地下室第二",
    ]
    assert printed(sample(SHARED, "gbk-tap-08-mixed-nul.bin")).count("启****动警铃**  手报129  05-06 08:54") == 2


def test_vouchers_read_with_their_codes() -> None:
    """Text, barcode and QR code; no byte of a command among them."""
    for name in ("refund-voucher-58mm-en-policy.bin", "refund-voucher-80mm-en-nopolicy.bin"):
        text = printed(sample(SHARED, name))
        assert "Voucher: RF123\nAmount: $8.00\n-----" in text
        assert text.endswith("[CODE128 RF123]\n\n[QR RF123]")
    assert printed(sample(SHARED, "dascom-hex-sample.bin")) == "Print Test LABEL"


def test_every_barcode_of_the_demonstration_is_marked() -> None:
    """As many as GS k commands, each with the data that the text before it says."""
    stream = sample(SHARED, "python-escpos-barcode.bin")
    text = printed(stream)
    assert len(re.findall(r"(?m)^\[[A-Z0-9-]+ .*\]$", text)) == stream.count(b"\x1dk")
    for content, mark in re.findall(r"Content: ([^{\n]+)\n\[\S+ (.*)\]", text):
        assert content.strip() == mark


def test_another_makers_commands_are_set_aside() -> None:
    """Star's are no ESC/POS: no receipt of junk, and the reason says what to change."""
    assert "Star" in rejected(sample(SHARED, "rl-en-credit1-starsbcs-NOT-escpos.bin")).reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rl-en-receipt-escpos-multilingual.bin", {"total": "185.80", "change": "14.20"}),
        ("rl-en-guest-escpos-multilingual.bin", {"total": "185.80", "transaction_id": "0003-01"}),
        ("rl-en-credit1-escpos-multilingual.bin", {"total": "123.45"}),
        ("receipt-with-logo.bin", {"total": "14.25"}),
    ],
)
def test_the_western_template_reads_what_they_say(name: str, expected: dict[str, str]) -> None:
    """Numbers, totals, tenders and items of documents it was not made for."""
    fields = receipts(tapped(sample(SHARED, name), template="western"))[0].fields
    assert {key: fields[key] for key in expected} == expected
    if "receipt-e" in name or "guest" in name:
        assert [(line["name"], line["quantity"], line["extended_amount"]) for line in fields["lines"]] == [  # type: ignore[attr-defined]
            ("BEER", "2", "13.00"),
            ("CHIDORI", "2", "172.80"),
        ]


def test_no_sample_of_any_device_fails() -> None:
    """The wrong driver for a file makes receipts or rejects, never an error."""
    assert SHARED
    files = [path for path in (SHARED / "samples").rglob("*") if path.is_file() and path.stat().st_size < 1 << 20]
    assert len(files) > 100
    for path in files:
        for item in tapped(path.read_bytes()):
            assert isinstance(item, Reading | Rejected)


def test_a_voucher_total_is_the_same_in_both_widths() -> None:
    """Paper width changes rules and wraps, not what is read."""
    read = [
        receipt(sample(SHARED, f"refund-voucher-{form}.bin"), template="western").fields["total"]
        for form in ("58mm-en-policy", "80mm-en-nopolicy")
    ]
    assert read == ["8.00", "8.00"]
