"""What hardware says: bytes to records' data. Knows no link to HQ, no buffer, no threads, no retries.

A driver is a folder here, or a package that another distribution offers under the entry-point group
`store_edge.devices` (entry-point name: the driver's name, value: the package). It holds:

    options.py     Options, a frozen pydantic model; imports no hardware library
    frames.py      the protocol: bytes in, frames out, no port, clock or log (where there is a protocol)
    driver.py      decoder(options, context) -> Decoder and device(options, context) -> Driver | Receiver
    simulator.py   messages(rng, at, step) -> Iterator[Message]: the real protocol's bytes
    README.md      what the device is, how it is wired, what it says, sources
    sample.yaml    a device entry that `edge-agent check` accepts
    cases/         recorded captures by device model, each with what they decode to

docs/write-a-driver.md shows a whole one.
"""
