"""Thermometers that a gateway publishes to an MQTT broker: Zigbee2MQTT, Tasmota and others. See README.md."""
