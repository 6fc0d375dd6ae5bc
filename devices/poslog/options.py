"""Settings of a folder of POSLog files: those of every drop folder."""

from __future__ import annotations

from devices.options import DropOptions


class Options(DropOptions):
    """A folder of POSLog XML files."""
