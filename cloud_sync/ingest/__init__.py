"""HQ's ingest: what boxes send, judged and opened, on its way into the warehouse, and what HQ answers. No I/O."""

from cloud_sync.ingest.core import Core

__all__ = ["Core"]
