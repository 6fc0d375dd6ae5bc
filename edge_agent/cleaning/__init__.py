"""What happens to a reading before it is first written: ranges, clocks, card numbers, payment codes, people.

Pure: no clock, no files, no log. `clean` makes a record of a reading or rejects it; `quarantine` makes a record of
what was rejected, here or by a driver, bounded and masked.
"""

from edge_agent.cleaning.clean import MAX_RAW, Moment, Policy, clean, quarantine

__all__ = ["MAX_RAW", "Moment", "Policy", "clean", "quarantine"]
