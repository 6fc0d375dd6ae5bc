"""Bluetooth thermometers that advertise what they measure, heard by a gateway. See README.md."""
