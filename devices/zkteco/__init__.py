"""ZKTeco time clocks that are asked for their punches over TCP. See README.md."""
