"""Scales on a serial line, in the protocols of many makers. See README.md."""
