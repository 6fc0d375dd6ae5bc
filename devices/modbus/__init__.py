"""Modbus devices, over a serial line or TCP, by register maps that are data. See README.md."""
