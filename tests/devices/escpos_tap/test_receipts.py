"""Documents: where they begin and end, what they hold, what is a copy, what opens the drawer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.driver import Context, Reading
from devices.escpos_tap.receipt import LONGEST
from records.types import CashEvent
from tests.devices.cases import decoder_of, fed
from tests.devices.escpos_tap.tapped import AT, printed, receipt, receipts, rejected, tapped

CUT = b"\x1dV\x00"
SALE = "小票号:20261121001\n合计 12.00\n".encode("gb18030")
RASTER = b"\x1dv0\x00\x01\x00\x01\x00\xff"
STRIP = b"\x1b*\x21\x01\x00\xff\xff\xff\n"


def test_a_reset_ends_a_receipt_unless_set_otherwise() -> None:
    """ESC @ begins the next one; tills that send it in between say so."""
    two = b"\x1b@head\n\x1b@body\n"
    assert [one.text for one in receipts(tapped(two))] == ["head", "body"]
    assert printed(two, new_receipt="cut") == "head\nbody"


def test_nothing_printed_is_no_receipt() -> None:
    """Resets, cuts, feeds and blanks alone say nothing."""
    assert tapped(b"\x1b@\x1b@\n\n   \n" + CUT + b"\x1bd\x05" + CUT + b"\x10\x04\x01") == []


def test_columns_stand_apart_in_the_order_of_the_paper() -> None:
    """ESC $ and tabs part columns; what is printed to the left of earlier text stands there."""
    assert printed(b"AMOUNT\x1b$\x84\x00123.45") == "AMOUNT     123.45"
    assert printed(b"WIDE NAME OF IT\x1b$\x10\x00x") == "WIDE NAME OF IT  x"
    assert printed(b"a\tb\n\x1bD\x14\x00a\tb") == "a       b\na                   b"
    assert printed(b"\x1bt\x01\x1c.\x96\x1b\\\x48\x00\x96\x1b$\x0c\x00QTY") == "│QTY   │"


def test_carriage_returns_end_lines_once() -> None:
    """CR, LF and both are one end each."""
    assert printed(b"a\rb\r\nc\nd\n\re\r\r\n") == "a\nb\nc\nd\ne"


def test_images_are_counted_and_not_read() -> None:
    """Rasters and stored graphics one each, strips in a row together, incomplete and unstored ones not at all."""
    assert receipt(b"a\n" + RASTER + RASTER).images == 2
    assert receipt(b"a\n" + STRIP * 8 + b"b\n" + STRIP * 3).images == 2
    stored = b"\x1d(L\x0b\x000p0\x01\x011\x01\x00\x01\x00\xff"
    assert receipt(b"a\n" + stored + b"\x1d(L\x02\x0002").images == 1
    assert receipt(b"a\n\x1d(L\x02\x0002").images == 0
    assert receipt(b"a\n" + RASTER[:-1]).images == 0
    assert receipt(b"\x1cp\x01\x00").images == 1


def test_a_picture_alone_is_a_receipt() -> None:
    """Tills that print everything as a picture still leave a trace of every print."""
    found = receipt(RASTER + CUT)
    assert (found.text, found.images) == ("", 1)


def test_barcodes_stand_as_marks() -> None:
    """Both forms of GS k, code set C as digits, QR codes when they are printed and not when stored."""
    assert printed(b"\x1dkE\x040003") == "[CODE39 0003]"
    assert printed(b"\x1dk\x02690123456789\x00x") == "[EAN13 690123456789]\nx"
    assert printed(b"\x1dkI\x05{C\x15 +") == "[CODE128 213243]"
    assert printed(b"a\x1d(k\x06\x001P0ABC\x1d(k\x03\x001Q0") == "a\n[QR ABC]"
    assert printed(b"a\x1d(k\x06\x001P0ABC") == "a"


def test_a_customer_display_on_the_line_is_not_the_paper() -> None:
    """ESC = 2 sends to the display until ESC = 1; its resets end no receipt."""
    assert printed(b"milk 2.00\n\x1b=\x02\x1b@\x0cTOTAL 2.00\r\x1b=\x01bread 3.00\n") == "milk 2.00\nbread 3.00"


def test_the_same_receipt_again_is_a_copy() -> None:
    """Printed three times in a row it is one record with two copies."""
    found = receipt((b"\x1b@" + SALE + CUT) * 3)
    assert found.copies == 2


def test_number_and_total_make_a_copy_whatever_the_mark_says() -> None:
    """A reprint that says so, and one that prints a later time, are the same sale."""
    again = SALE + "补打 09:30\n".encode("gb18030")
    (found,) = receipts(tapped(SALE + CUT + again + CUT, template="cn-retail"))
    assert (found.copies, found.source_id) == (1, "-/2026-11-21/20261121001")
    other = SALE.replace(b"12.00", b"13.00")
    assert [one.copies for one in receipts(tapped(SALE + CUT + other + CUT, template="cn-retail"))] == [0, 0]


def test_a_later_copy_keeps_its_source_id_also_over_a_restart() -> None:
    """Behind a silence it is a record of its own, with the first one's identity; beyond the window it is new."""
    first = decoder_of("escpos-tap", Context())
    (one,) = fed(first, [b"queue 7\n"], AT)
    second = decoder_of("escpos-tap", Context(state={key: value for key, value in one.state.items() if value}))
    (two,) = fed(second, [b"queue 7\n"], AT + timedelta(seconds=60))
    (three,) = fed(second, [b"queue 7\n"], AT + timedelta(seconds=1000))
    copies = receipts([one, two, three])
    assert [found.copies for found in copies] == [0, 1, 0]
    assert copies[0].source_id == copies[1].source_id != copies[2].source_id


@pytest.mark.parametrize(
    "pulse", [b"\x1bp\x00\x3c\x78", b"\x1bp0\x3c\x78", b"\x1bp\x00\x3c\x78\x1bp\x01\x3c\x78", b"\x10\x14\x01\x00\x05"]
)
def test_a_pulse_opens_the_drawer_once(pulse: bytes) -> None:
    """By either command; pulses to both pins at once are one opening. The receipt before it comes first."""
    items = tapped(b"sale\n" + CUT + pulse)
    assert [type(item.data).__name__ for item in items if isinstance(item, Reading)] == ["PosReceipt", "CashEvent"]


def test_openings_have_identities_of_their_own() -> None:
    """Two at one moment are two; the kind is the drawer's."""
    items = tapped(b"\x1bp\x00\x3c\x78a\n\x1bp\x00\x3c\x78")
    events = [item.data for item in items if isinstance(item, Reading) and isinstance(item.data, CashEvent)]
    assert {event.kind for event in events} == {"drawer-open"}
    assert len({event.source_id for event in events}) == 2


def test_a_document_without_end_is_cut_into_records() -> None:
    """Nothing is lost, and no piece is more than a record may hold."""
    journal = b"".join(b"%06d a line of the journal\n" % number for number in range(2000))
    found = receipts(tapped(journal))
    assert len(found) > 5
    assert "\n".join(one.text for one in found) == journal.decode().strip()
    assert max(len(one.text) for one in found) <= LONGEST + 40


def test_stars_own_commands_are_set_aside_as_such() -> None:
    """With what to change; digits are starred."""
    found = rejected(b"\x1b@\x1b\x1ea\x00\x1b\x1eF\x00\x1b\x1da\x00TOTAL 123.45\n\x1b\x1dA\x84\x00\x1bd3")
    assert "Star" in found.reason
    assert b"TOTAL ***.**" in found.raw


def test_noise_is_set_aside_with_what_to_check() -> None:
    """A wrong baudrate makes no receipts."""
    assert "baudrate" in rejected(bytes([0xFF, 0xFE, 0x01, 0x90, 0x03, 0xFF, 0x80]) * 9).reason
