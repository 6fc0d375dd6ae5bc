"""Settings of a folder of JSON exports."""

from __future__ import annotations

from devices.mapping.options import MappedOptions
from devices.options import DropOptions


class Options(DropOptions, MappedOptions):
    """A folder of JSON exports of a till: an array, one object a line, or one object a file."""
