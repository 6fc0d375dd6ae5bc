"""1-Wire thermometers (DS18B20 and its kin) as the Linux kernel shows them. See README.md."""
