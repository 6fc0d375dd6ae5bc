"""Barcode scanners that type as keyboards do."""
