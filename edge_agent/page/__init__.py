"""The page for people who mount cameras: what one sees, a count by hand beside its own, a still.

It is served only where `page` is configured. Of pictures it has what `devices.glass` shows, and keeps none.
"""
