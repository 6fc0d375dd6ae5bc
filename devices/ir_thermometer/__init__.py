"""Infrared body thermometers of the 90614 kind, on a serial line. See README.md."""
