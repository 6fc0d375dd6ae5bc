# mypy: ignore-errors
"""A camera on the network: Debian's GStreamer RTSP server, run by the system's own Python (see `rtsp.py`).

Arguments: address, port, pattern, width, height, and a user and a password where it wants them. It says "ready" once it
listens. SIGUSR1 makes its pictures half as wide and high from then on, within the stream.
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - after the versions

SIZE = "video/x-raw,framerate=10/1,width={},height={}"
PIPELINE = (
    "( videotestsrc is-live=true pattern={} ! videoscale ! capsfilter name=size caps={} ! openh264enc gop-size=5"
    " ! h264parse ! rtph264pay name=pay0 config-interval=-1 )"
)


def main(address, port, pattern, width, height, *login):
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address=address, service=port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    factory.set_launch(PIPELINE.format(pattern, SIZE.format(width, height)))
    factory.connect("media-configure", halved_at_signal, int(width) // 2, int(height) // 2)
    if login:
        guard(server, factory, *login)
    server.get_mount_points().add_factory("/small", factory)
    if not server.attach(None):
        sys.exit("cannot listen")
    print("ready", flush=True)
    GLib.MainLoop().run()


def halved_at_signal(_, media, width, height):
    size = media.get_element().get_by_name("size")

    def halve():
        size.set_property("caps", Gst.Caps.from_string(SIZE.format(width, height)))
        return GLib.SOURCE_REMOVE

    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, halve)


def guard(server, factory, user, password):
    """Nobody looks without them (Digest, RFC 2069, as cameras do)."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    factory.add_role_from_structure(
        Gst.Structure.from_string("viewer,media.factory.access=true,media.factory.construct=true")[0]
    )


main(*sys.argv[1:])
