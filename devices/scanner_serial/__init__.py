"""Barcode scanners on a serial line or USB-CDC. See README.md."""
