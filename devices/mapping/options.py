"""Settings of every driver that goes by a mapping."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from devices.mapping.model import RecordMapping
from devices.options import Options
from devices.profiles import profile


def _text_encoding(name: str) -> str:
    try:
        name.encode(name)
    except (LookupError, UnicodeError):
        raise ValueError("must be a text encoding such as utf-8, gb18030, big5 or cp1252") from None
    return name


def _shipped(name: str) -> str:
    profile(name, "documents")
    return name


class MappedOptions(Options):
    """A source of documents."""

    profile: Annotated[str, AfterValidator(_shipped)] = Field(
        "plain", description="shipped mapping: plain, square or wechat"
    )
    mapping: RecordMapping | None = Field(None, description="how documents become records, instead of a profile")
    encoding: Annotated[str, AfterValidator(_text_encoding)] | None = Field(
        None, description="text encoding; by default UTF-8, or GB18030 where the bytes show it, or UTF-16 by its mark"
    )

    @property
    def record_mapping(self) -> RecordMapping:
        return self.mapping or RecordMapping.model_validate(profile(self.profile, "documents"))
