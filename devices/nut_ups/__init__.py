"""Uninterruptible power supplies that Network UPS Tools look after. See README.md."""
