"""Settings of `pos-sql`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from devices.mapping.model import RecordMapping
from devices.options import DatabaseOptions
from devices.profiles import profile

Column = Annotated[str, Field(pattern=r"^[^\s.'\"\[\]`;]{1,64}\??$")]
TableName = Annotated[str, Field(pattern=r"^[^\s'\"\[\]`;]{1,128}$")]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Columns = Annotated[tuple[Column, ...], BeforeValidator(_listed), Field(min_length=1)]


class Payments(BaseModel):
    """A table with one row a payment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: TableName = Field(description="its name, with schema and dot where it needs one")
    ticket: Columns = Field(description="columns that tell whose payment it is, in the order of the lines'")


class Lines(BaseModel):
    """A table with one row a line of a ticket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: TableName = Field(description="its name, with schema and dot where it needs one")
    ticket: Columns = Field(description="columns that rows of one ticket share; `?` behind one that may be missing")
    position: Column = Field(description="the column that grows from row to row")
    by: Literal["identity", "time"] = Field("identity", description="what the position is: a number, or a time")


class Tables(BaseModel):
    """Where a till keeps its sales."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: Lines = Field(description="lines of tickets")
    payments: Payments | None = Field(None, description="payments of tickets")


def _shipped(name: str) -> str:
    profile(name, "database")
    return name


class Options(DatabaseOptions):
    """A till's database."""

    profile: Annotated[str, AfterValidator(_shipped)] = Field("siss", description="shipped tables and mapping: siss")
    tables: Tables | None = Field(None, description="where the sales are, instead of the profile's")
    mapping: RecordMapping | None = Field(
        None, description="how a ticket, its `lines` and its `payments` become records, instead of the profile's"
    )
    poll_s: float = Field(5, ge=0.1, le=3600, description="seconds between two looks")
    settle_s: float = Field(
        30, ge=0, le=3600, description="seconds unchanged after which a ticket whose payments do not add up is whole"
    )
    overlap_rows: int = Field(1000, ge=0, le=100_000, description="by identity: how far behind rows may turn up late")
    overlap_s: int = Field(600, ge=0, le=86_400, description="by time: how far behind rows may turn up late")
    chunk_rows: int = Field(1000, ge=1, le=10_000, description="rows read in one transaction")
    timeout_s: float = Field(10, ge=1, le=300, description="seconds that a query may take")

    @property
    def where(self) -> Tables:
        return self.tables or Tables.model_validate(profile(self.profile, "database")["tables"])

    @property
    def record_mapping(self) -> RecordMapping:
        said: dict[str, Any] = dict(profile(self.profile, "database"))
        said.pop("tables")
        return self.mapping or RecordMapping.model_validate(said)

    @property
    def overlap(self) -> int:
        return self.overlap_rows if self.where.lines.by == "identity" else self.overlap_s
