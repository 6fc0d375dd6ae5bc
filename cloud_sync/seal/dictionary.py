"""zstd with the dictionaries that ship with the product.

A dictionary is trained on simulated traffic only, never on customers' data, and is never changed once shipped: a new
one gets a new id. Compressors are not thread-safe; each thread has its own `Zstd`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import zstandard

CURRENT = 1
_LEVEL_RECORD = 3
_LEVEL_BATCH = 9


class UnknownDictionary(LookupError):
    """This release does not ship a dictionary of that id."""


class ExpandError(ValueError):
    """Not a zstd frame, or one that would expand beyond the limit."""


@cache
def _dictionary(id_: int) -> zstandard.ZstdCompressionDict:
    try:
        return zstandard.ZstdCompressionDict((files(__package__) / f"{id_}.zdict").read_bytes())
    except FileNotFoundError:
        raise UnknownDictionary(f"dictionary {id_}") from None


@cache
def _prepared(level: int) -> zstandard.ZstdCompressionDict:
    """The current dictionary with the tables of a level, which a compressor would else copy for every record."""
    dictionary = zstandard.ZstdCompressionDict(_dictionary(CURRENT).as_bytes())
    dictionary.precompute_compress(level=level)
    return dictionary


class Zstd:
    """Compresses with the current dictionary, expands with any that ships."""

    def __init__(self) -> None:
        self._record = self._compressor(_LEVEL_RECORD)
        self._batch = self._compressor(_LEVEL_BATCH)
        self._expanders: dict[int, zstandard.ZstdDecompressor] = {}

    @staticmethod
    def _compressor(level: int) -> zstandard.ZstdCompressor:
        return zstandard.ZstdCompressor(level, dict_data=_prepared(level), write_dict_id=False)

    def record(self, plain: bytes) -> bytes:
        """One record as a zstd frame."""
        return self._record.compress(plain)

    def batch(self, plain: bytes) -> bytes:
        """Many records as one zstd frame."""
        return self._batch.compress(plain)

    def expand(self, frame: bytes, dictionary: int, limit: int) -> bytes:
        """What a frame holds; `ExpandError` over `limit` bytes, `UnknownDictionary` for an id of a later release."""
        expander = self._expanders.get(dictionary)
        if expander is None:
            expander = zstandard.ZstdDecompressor(dict_data=_dictionary(dictionary))
            self._expanders[dictionary] = expander
        try:
            size = zstandard.frame_content_size(frame)
            if not 0 <= size <= limit:
                raise ExpandError(f"would expand to {size} bytes, at most {limit}")
            return expander.decompress(frame, max_output_size=limit)
        except zstandard.ZstdError as fault:
            raise ExpandError(str(fault)) from None
