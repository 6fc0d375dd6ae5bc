"""The relay between till and receipt printer: `python -m edge_agent.relay`, a program of its own.

It stands in the way of sales, so it is small, imports the standard library and one module of frames, holds no
configuration file and needs neither agent, disk nor database. What it does:

- every byte goes from the till to the printer and back, in order and unchanged. Between the two sockets it moves inside
  the kernel (splice through a pipe); nothing is decoded, and nothing waits for anybody but the printer itself.
- a copy of what the till sends goes into a ring in memory (never on disk: it holds what receipts hold), from where an
  agent reads it over a Unix socket. A slow or absent agent costs the oldest copies, never the till a moment.
- two processes hold the same sockets and pipes. One works, the other waits. When one is killed, the other goes on
  within milliseconds, with the connections as they stand: bytes that the dead one had taken lie in the pipes, and are
  neither lost nor sent twice. The survivor starts a new companion.

Invariants:
1. The printer gets every byte that the till's connection delivered, once, while one of the two processes lives.
2. A till whose receipt cannot be printed sees its connection reset, unless it has already hung up: then what it sent is
   kept and tried until the printer takes it, for `HOLD_S`.
3. Copies never hold up 1 and 2.

What it is not: the copy is of what was moved, made right after the move; a kill in the microseconds between the two
loses that piece of the copy, of the print never. Both processes killed in one moment (or the box without power) end the
open connections: the till sees a reset, as from a printer that is switched off, and where it had hung up before the
printer took all of it, that receipt is lost as it is in a printer's own buffer. New connections wait in systemd's
socket for the restart; where the relay cannot start at all, the unit's OnFailure hands the socket to
systemd-socket-proxyd, which connects tills and printer directly (see systemd/).
"""
