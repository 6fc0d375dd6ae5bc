"""What a till prints: a tap on the line between till and receipt printer. See README.md."""
