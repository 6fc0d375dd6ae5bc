"""People counted by Xovis sensors. See README.md."""
