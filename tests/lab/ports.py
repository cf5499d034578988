"""Ports that nobody else takes, also while what listens on them is being restarted.

They lie below the range that the system gives to outgoing connections, and a file lock keeps other
test runs off them for as long as this process lives.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO, Final

_LOWEST: Final = 15_000
_ATTEMPTS: Final = 200
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_DEFAULT_FIRST_EPHEMERAL: Final = 32_768

_locks: list[IO[bytes]] = []
"""Open for as long as the process lives: closing one gives its port away."""


def free_port() -> int:
    """A port on 127.0.0.1 that stays ours until this process ends."""
    folder = Path(tempfile.gettempdir()) / f"matrix-ai-bridge-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    last = _first_ephemeral() - 1
    for _ in range(_ATTEMPTS):
        port = random.randint(min(_LOWEST, last - 5_000), last)
        lock = (folder / str(port)).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if _is_free(port):
            _locks.append(lock)
            return port
        lock.close()
    raise RuntimeError("no free port found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    try:
        return max(int(_RANGE.read_text().split()[0]), 8_000)
    except (OSError, ValueError, IndexError):
        return _DEFAULT_FIRST_EPHEMERAL
