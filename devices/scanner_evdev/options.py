"""Settings of `scanner-evdev`."""

from __future__ import annotations

from devices.options import InputOptions
from devices.scanner_serial.options import ScannerOptions


class Options(InputOptions, ScannerOptions):
    """A barcode scanner that types."""
