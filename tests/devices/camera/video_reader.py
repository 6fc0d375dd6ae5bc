"""Reads a video device as the agent does, in a process of its own; what happens is a line each of its output."""

from __future__ import annotations

import sys
import time

from devices.camera.driver import LiveDriver
from devices.camera.options import Options
from devices.driver import Context, DeviceOffline, Reading
from records.types import CameraHealth, DoorCount


def main(source: str) -> None:
    told = {"id": "cam", "driver": "camera", "source": source, "mode": "overhead", "interval_s": 1}
    device = LiveDriver(Options.model_validate({**told, "lines": {"door": "0,24,64,24"}}), Context())
    while True:
        try:
            device.open()
            while True:
                for item in device.read(1.0).items:
                    told_now(item)
        except DeviceOffline as lost:
            print(f"offline: {lost}", flush=True)
        device.close()
        time.sleep(0.2)


def told_now(item: object) -> None:
    match item:
        case Reading(data=DoorCount()):
            print("counts", flush=True)
        case Reading(data=CameraHealth(state=state)):
            print(f"health: {state}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
