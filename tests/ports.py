"""Ports for servers of the tests.

Below those that the kernel gives to connections, so that a server which restarts finds its port as
it left it; and each process of the tests has some of its own, so that two servers that begin at the
same moment never get the same: whoever asks the one would be answered by the other.
"""

from __future__ import annotations

import os
import socket
from itertools import count

_FIRST, _PROCESSES, _EACH = 12_000, 900, 20
_taken = count()


def free() -> int:
    """A port on loopback that nobody listens on."""
    begin = _FIRST + os.getpid() % _PROCESSES * _EACH
    for _ in range(_EACH):
        port = begin + next(_taken) % _EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"something listens on each of the ports {begin} to {begin + _EACH - 1}")
