"""The store's side of the link: what is sent until HQ has receipted it, and what HQ's word sets off.

`core.Uplink` decides and does nothing, `mqtt.MqttLink` speaks MQTT, `run.run` pumps events and effects between them and
the store's disk.
"""
