"""Settings as rows of a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from config import StoreConfig
from config.reference import Setting, settings


class Inner(BaseModel):
    depth_m: float = Field(default=0.5, ge=0, description="how deep")


class Sample(BaseModel):
    names: tuple[str, ...] = Field(description="who")
    parity: Literal["N", "E"] = Field(default="N", description="none or even")
    limit: int | None = Field(default=None, ge=1, le=9, description="how many")
    columns: Mapping[str, str] = Field(default={}, description="headers")
    inner: Inner = Field(default=Inner(), description="a group")


def test_each_setting_is_a_row_with_bounds_and_default() -> None:
    """Kinds, bounds, choices, defaults and groups are told as a person writes them."""
    assert settings(Sample) == [
        Setting("names", "list of texts", "", True, "who"),
        Setting("parity", "N, E", "N", False, "none or even"),
        Setting("limit", "whole number, 1 to 9", "", False, "how many"),
        Setting("columns", "group of texts by name", "{}", False, "headers"),
        Setting("inner.depth_m", "number, at least 0", "0.5", False, "how deep"),
    ]


def test_every_setting_of_a_store_is_described() -> None:
    """No setting of a store's file lacks its meaning."""
    rows = settings(StoreConfig)

    assert {"store", "hq.brokers", "listener.port", "epoch.max_age_s", "devices"} <= {row.name for row in rows}
    assert [row.name for row in rows if not row.description] == []
