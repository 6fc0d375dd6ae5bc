"""People counted by Axis cameras. See README.md."""
