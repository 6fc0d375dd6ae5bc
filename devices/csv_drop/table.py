"""Delimited text: bytes in, rows of cells out. Format: RFC 4180, and what spreadsheets and tills make of it.

- Encoding: UTF-16 by its BOM; else of UTF-8 and GB18030 the one in which fewer lines are damaged. A damaged row is
  at fault alone.
- Quotes count only at the beginning of a cell, so `12" PLATE` needs none. A quoted cell may hold line ends. Where a
  quote never closes, or what it swallows is no row, the line is at fault alone and the next is read anew.
- Lines end with LF, CR LF or CR. Blank lines and a first line `sep=;` are no rows.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import NamedTuple

from devices.tills import RAW_LIMIT

DELIMITERS = ",;\t|"
LONGEST_ROW = 64 * 1024
_DAMAGED = re.compile("[\udc80-\udcff]")
_DAMAGED_LINE = re.compile("[\udc80-\udcff][^\n]*")
_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_SEPARATOR = re.compile(r"sep=(.)\n", re.IGNORECASE)


class Row(NamedTuple):
    """number: of its first line, from 1; fault: why its cells cannot be used, or empty."""

    number: int
    cells: list[str]
    raw: bytes
    fault: str = ""


class Table(NamedTuple):
    header: list[str]
    rows: list[Row]


def read_table(data: bytes, encoding: str | None, delimiter: str | None) -> Table:
    """The header and every row below it; an empty header when there is nothing but blank lines."""
    text, encoding = _decode(data, encoding)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if told := _SEPARATOR.match(text):
        text, delimiter = "\n" + text[told.end() :], delimiter or told[1]
    scanner = _Scanner(text, encoding, delimiter or _likely_delimiter(text))
    header = next(scanner.rows(0), None)
    if header is None:
        return Table([], [])
    titles = [_DAMAGED.sub("\ufffd", cell).strip() for cell in header.cells]
    return Table(titles, list(scanner.rows(len(titles))))


def _decode(data: bytes, encoding: str | None) -> tuple[str, str]:
    """The text, with each undecodable byte as a lone surrogate, and its encoding."""
    if encoding is None and data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").lstrip("\ufeff"), "utf-8"
    if encoding is not None:
        return data.decode(encoding, "surrogateescape").removeprefix("\ufeff"), encoding
    text = data.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    damaged = _damaged_lines(text)
    if damaged and not data.startswith(BOM_UTF8):
        other = data.decode("gb18030", "surrogateescape")
        if _damaged_lines(other) < damaged:
            return other, "gb18030"
    return text, "utf-8"


def _damaged_lines(text: str) -> int:
    return len(_DAMAGED_LINE.findall(text))


def _likely_delimiter(text: str) -> str:
    """The one that cuts the first line into the most cells; a comma when none does."""
    first = text.lstrip("\n").partition("\n")[0]
    unquoted = re.sub(r'"[^"]*"', "", first)
    return max(DELIMITERS, key=unquoted.count)


class _Scanner:
    """Goes through a text row by row."""

    def __init__(self, text: str, encoding: str, delimiter: str) -> None:
        self._text = text
        self._encoding = encoding
        self._delimiter = delimiter
        self._plain = re.compile(f"[^{re.escape(delimiter)}\n]*")
        self._at = 0
        self._line = 1

    def rows(self, width: int) -> Iterator[Row]:
        """The rows from here on; width: cells in the header, 0 to take the row as it is."""
        while self._at < len(self._text):
            row = self._row(width)
            if row.fault or any(cell.strip() for cell in row.cells):
                yield row

    def _row(self, width: int) -> Row:
        start, line = self._at, self._line
        newline = self._text.find("\n", start)
        line_end = newline if newline >= 0 else len(self._text)
        cells, end = self._cells(start, line_end)
        fault = self._shape_fault(cells, end - start, width)
        if fault:
            end = line_end
        elif _DAMAGED.search(self._text, start, end):
            fault = "it is not in the file's encoding; set `encoding` if that is wrong for the whole file"
        self._at = end + 1
        self._line += 1 + self._text.count("\n", start, end)
        raw = self._text[start : min(end, start + RAW_LIMIT)].encode(self._encoding, "surrogateescape")[:RAW_LIMIT]
        return Row(line, cells[:width] if width else cells, raw, fault)

    def _cells(self, start: int, line_end: int) -> tuple[list[str], int]:
        """The cells and where the row ends; no cells when a quote does not close where a cell ends."""
        if self._text.find('"', start, line_end) < 0:
            return self._text[start:line_end].split(self._delimiter), line_end
        cells, at = [], start
        while True:
            quoted = _QUOTED.match(self._text, at, at + LONGEST_ROW)
            plain = self._plain.match(self._text, quoted.end() if quoted else at)
            rest = plain[0] if plain else ""
            if (quoted is None and rest.startswith('"')) or (quoted and "\n" in quoted[1] and rest.strip()):
                return [], line_end
            cells.append((quoted[1].replace('""', '"') if quoted else "") + rest)
            at = (quoted.end() if quoted else at) + len(rest)
            if not self._text.startswith(self._delimiter, at):
                return cells, at
            at += 1

    def _shape_fault(self, cells: list[str], length: int, width: int) -> str:
        if not cells:
            return "a quoted cell does not end"
        if length > LONGEST_ROW:
            return "it is longer than 64 KiB"
        if width and any(cells) and (len(cells) < width or any(cell.strip() for cell in cells[width:])):
            return f"it has {len(cells)} cells where the header has {width}"
        return ""
