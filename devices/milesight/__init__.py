"""Door counters on LoRaWAN: Milesight's, and those of other makers. See README.md."""
