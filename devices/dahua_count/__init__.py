"""People counted by Dahua cameras. See README.md."""
