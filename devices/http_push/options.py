"""Settings of `http-push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from devices.mapping.options import MappedOptions
from devices.options import PushOptions

Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class Options(PushOptions, MappedOptions):
    """A system that posts documents to the agent's listener under /push/<id>."""

    secret_file: Path | None = Field(
        None, description="file with what the sender must know: the header's text, or the key of its signature"
    )
    header: Header = Field("x-push-secret", description="header that carries the secret or the signature")
    signature: Literal["none", "hmac-sha256-hex", "hmac-sha256-base64"] = Field(
        "none", description="none: the header holds the secret itself; else the HMAC of the body under the secret"
    )
    signed_url: str = Field("", description="address that the sender signs before the body, as Square does")
    answer: str = Field("", max_length=1000, description="body of the answer, where the sender wants a certain one")

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.signature != "none" and self.secret_file is None:
            raise ValueError("signature needs secret_file: the file with the key")
        return self
