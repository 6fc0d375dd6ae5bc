"""Hikvision access terminals with a thermal camera, whose events are pushed or asked for. See README.md."""
