"""HQ's database: typed tables of records and the ledger that keeps every number once."""

from hq.warehouse.schema import migrate

__all__ = ["migrate"]
