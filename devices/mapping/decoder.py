"""A source's bytes through its mapping: what the drivers of files and of pushes share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from devices.driver import Context, Item, Rejected
from devices.mapping.alike import Alike
from devices.mapping.documents import Document, Documents, FormDocuments, Found, JsonDocuments, XmlDocuments
from devices.mapping.engine import Mapper
from devices.mapping.model import RecordMapping
from devices.mapping.text import TextReader

_FORMATS: Mapping[str, type[JsonDocuments] | type[XmlDocuments] | type[FormDocuments]] = {
    "json": JsonDocuments,
    "xml": XmlDocuments,
    "form": FormDocuments,
}


class MappedDecoder:
    """Documents in, records out."""

    def __init__(self, mapping: RecordMapping, encoding: str | None, context: Context) -> None:
        self._mapper = Mapper(mapping, context)
        self._encoding = encoding
        self._documents: Documents = _FORMATS[mapping.format]()
        self._begin_anew()

    def feed(self, data: bytes, at: datetime) -> Sequence[Item]:
        return self._items(self._documents.feed(self._text.feed(data)), at)

    def end(self, at: datetime) -> Sequence[Item]:
        items = self._items(self._documents.feed(self._text.end()) + self._documents.end(), at)
        items += self._alike.rest(at)
        self._begin_anew()
        return items

    def _begin_anew(self) -> None:
        self._text = TextReader(self._encoding)
        self._alike = Alike()

    def _items(self, found: Sequence[Found], at: datetime) -> list[Item]:
        return self._alike.told(item for one in found for item in self._of(one, at))

    def _of(self, found: Found, at: datetime) -> Sequence[Item]:
        if isinstance(found, Document):
            return self._mapper.items(found.values, at, found.raw)
        return [Rejected(found.reason, self._mapper.kept(found.raw), at)]
