"""Bytes to characters: Chinese mode, code pages by make, lost bytes."""

from __future__ import annotations

import codecs
from typing import Any

import pytest
from pydantic import ValidationError

from devices.escpos_tap import codepages
from devices.registry import driver
from tests.devices.escpos_tap.tapped import printed

GB = "合计：￥12.00 ¥ €".encode("gb18030")


def test_chinese_is_on_at_start_and_after_a_reset() -> None:
    """Without any command, and again behind ESC @, which ends a page's rule."""
    assert printed(GB) == "合计：￥12.00 ¥ €"
    assert printed(b"\x1c.\x1bt\x10\x1b@" + GB) == "合计：￥12.00 ¥ €"


@pytest.mark.parametrize(
    ("mode", "before", "expected"),
    [
        ("on", b"", "故障"),
        ("on", b"\x1c.", "╣╩╒╧"),
        ("on", b"\x1c.\x1c&", "故障"),
        ("by-command", b"", "╣╩╒╧"),
        ("by-command", b"\x1c&", "故障"),
        ("by-command", b"\x1c&\x1b@", "╣╩╒╧"),
        ("off", b"\x1c&", "╣╩╒╧"),
    ],
)
def test_modes_begin_and_end_as_documented(mode: str, before: bytes, expected: str) -> None:
    """on starts on, by-command waits for FS &, off never is."""
    assert printed(before + "故障".encode("gb18030"), chinese_mode=mode) == expected


def test_gb18030_has_characters_that_gbk_lacks() -> None:
    """Four bytes are one character, in whatever pieces they come."""
    assert printed(b"\x81\x30", b"\x84", b"\x36" + b"80") == "¥80"


def test_nul_between_and_inside_characters_is_skipped() -> None:
    """Printers ignore it, wherever it stands."""
    assert printed(b"\xbe\xaf\x00\xc1\x00\xe5\x00 08:54\x00") == "警铃 08:54"


def test_a_lost_byte_costs_one_character() -> None:
    """Half a character is one U+FFFD; the line, and the digits behind it, stay."""
    assert (
        printed("合计".encode("gb18030")[:3] + b" 12.00\n" + "找零 1.00".encode("gb18030"))
        == "合\ufffd 12.00\n找零 1.00"
    )
    assert printed("元".encode("gb18030")[:1] + b"123 and more text\n") == "\ufffd123 and more text"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("big5", "統一發票 合計"),
        ("shift-jis", "領収証 ｱｲｳ"),
        ("euc-kr", "영수증 합계"),
        ("utf-8", "Reçu 收据"),
        ("gbk", "合计"),
    ],
)
def test_encoding_replaces_gb18030(encoding: str, text: str) -> None:
    """Other multi-byte sets under the names that people know them by."""
    assert (
        printed(text.encode({"big5": "big5hkscs", "euc-kr": "cp949"}.get(encoding, encoding)), encoding=encoding)
        == text
    )


def test_a_single_byte_encoding_replaces_every_page_but_the_frames() -> None:
    """Text is in it whatever ESC t and FS & say; page 1 goes on drawing lines."""
    said = b"\x1c&\x1bt\x13caf\xe9 \x80\n\x1bt\x01\x9c\x95\x9d"
    assert printed(said, encoding="cp1252") == "café €\n╭─╮"


@pytest.mark.parametrize(
    ("make", "number", "byte", "expected"),
    [
        ("epson", 16, 0x80, "€"),
        ("epson", 19, 0xD5, "€"),
        ("epson", 17, 0x80, "А"),
        ("citizen", 7, 0x80, "А"),
        ("rongta", 6, 0xC0, "А"),
        ("zjiang", 73, 0xC0, "А"),
        ("star", 32, 0x80, "€"),
        ("wincor", 8, 0x80, "€"),
        ("epson", 1, 0xB1, "ｱ"),
        ("epson", 99, 0x82, "é"),
    ],
)
def test_pages_are_numbered_as_the_make_does(make: str, number: int, byte: int, expected: str) -> None:
    """The same number is another page on another make; an unknown one prints as cp437."""
    assert printed(b"\x1c.\x1bt" + bytes([number, byte]), printer=make) == expected


def test_every_page_is_one_that_can_be_decoded() -> None:
    """No number stands for a codec that Python lacks."""
    for make in codepages.MAKES:
        for number in range(256):
            name = codepages.page(make, number)
            assert name == codepages.KATAKANA or codecs.lookup(name)
            assert len(codepages.decode_single(name, bytes(range(0x20, 0x100)))) == 224


def test_national_sets_change_single_characters_alone() -> None:
    """ESC R 8 makes a backslash a yen sign; the second byte of a Chinese character stays what it is."""
    assert printed(b"\x1bR\x08\\1,000") == "¥1,000"
    assert printed(b"\x1bR\x0f$5") == "¥5"
    assert printed(b"\x1bR\x08\x81\x5c") == b"\x81\x5c".decode("gb18030")


def test_shift_jis_and_utf8_are_chosen_by_command() -> None:
    """FS C 1 and FS ( C hold until they are taken back or the printer is reset."""
    assert printed(b"\x1cC1" + "領収証\n".encode("cp932") + b"\x1cC0" + "合计".encode("gb18030")) == "領収証\n合计"
    assert printed(b"\x1c(C\x02\x0002" + "Reçu\n".encode() + b"\x1b@")[:4] == "Reçu"


@pytest.mark.parametrize(
    "bad", [{"encoding": "klingon"}, {"encoding": "rot13"}, {"printer": "abacus"}, {"template": "none"}]
)
def test_bad_settings_are_refused(bad: dict[str, Any]) -> None:
    """Before any device is opened."""
    with pytest.raises(ValidationError):
        driver("escpos-tap").options.model_validate({"id": "t", "driver": "escpos-tap", "port": "/dev/ttyS0", **bad})


@pytest.mark.parametrize("port", ["listen://9100", "listen://0.0.0.0:70000", "relay://here"])
def test_bad_ports_are_refused(port: str) -> None:
    """Our own schemes say what they lack."""
    with pytest.raises(ValidationError):
        driver("escpos-tap").options.model_validate({"id": "t", "driver": "escpos-tap", "port": port})
