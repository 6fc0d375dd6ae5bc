"""Wi-Fi probes that count devices nearby, without keeping any device's address. See README.md."""
