"""Hikvision cameras and recorders that count people and push it over HTTP. See README.md."""
