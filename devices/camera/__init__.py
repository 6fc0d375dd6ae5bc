"""Cameras over doors and floors, looked at in the store; no picture leaves it. See README.md."""
