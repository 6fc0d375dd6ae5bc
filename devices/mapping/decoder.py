"""A source's bytes through its mapping: what the drivers of files and of pushes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from devices.driver import Context, Item, Reading, Rejected
from devices.mapping.documents import Document, Documents, FormDocuments, Found, JsonDocuments, XmlDocuments
from devices.mapping.engine import Mapper
from devices.mapping.model import RecordMapping
from devices.mapping.text import TextReader
from devices.tills import RAW_LIMIT

MOST_ALIKE = 100
_FORMATS: Mapping[str, type[JsonDocuments] | type[XmlDocuments] | type[FormDocuments]] = {
    "json": JsonDocuments,
    "xml": XmlDocuments,
    "form": FormDocuments,
}


class MappedDecoder:
    """Documents in, records out. Where nothing at all fits, one reject tells it of all but the first hundred, or a
    wrong setting would fill the quarantine.

    silent: the input so far held no document and nothing else either
    """

    def __init__(self, mapping: RecordMapping, encoding: str | None, context: Context) -> None:
        self._mapper = Mapper(mapping, context)
        self._encoding = encoding
        self._documents: Documents = _FORMATS[mapping.format]()
        self._begin_anew()

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._documents.feed(self._text.feed(data)), at)

    def end(self, at: datetime) -> Sequence[Item]:
        items = self._items(self._documents.feed(self._text.end()) + self._documents.end(), at)
        if self._alike:
            reason = f"{self._alike} more could not be read; {self._alike_reason}"
            items.append(Rejected(reason, self._alike_raw, at))
        self._begin_anew()
        return items

    def _begin_anew(self) -> None:
        self._text = TextReader(self._encoding)
        self.silent = True
        self._readings = self._rejects = 0
        self._alike = 0
        self._alike_reason = ""
        self._alike_raw = b""

    def _items(self, found: Sequence[Found], at: datetime) -> list[Item]:
        self.silent = self.silent and not found
        return [item for one in found for item in self._of(one, at) if self._told(item)]

    def _of(self, found: Found, at: datetime) -> Sequence[Item]:
        if isinstance(found, Document):
            return self._mapper.items(found.values, at, found.raw)
        return [Rejected(found.reason, self._mapper.kept(found.raw), at)]

    def _told(self, item: Item) -> bool:
        """Whether it is told by itself."""
        if isinstance(item, Reading):
            self._readings += 1
            return True
        self._rejects += 1
        if self._readings or self._rejects <= MOST_ALIKE:
            return True
        self._alike += 1
        self._alike_reason = self._alike_reason or item.reason
        self._alike_raw = (self._alike_raw + item.raw + b"\n")[:RAW_LIMIT]
        return False
