"""ZKTeco time clocks that push their punches (ADMS). See README.md."""
