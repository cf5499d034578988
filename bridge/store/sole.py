"""One bridge on one SQLite file: a second would take the first one's rooms."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager

from bridge.errors import DatabaseError
from bridge.store.address import sqlite_path


@contextmanager
def sole_use(url: str, reached_at: str = "") -> Generator[None]:
    """Keep other bridges off the file of an SQLite address; nothing for another database.

    The lock is the operating system's: it ends with the process, however that ends. `reached_at`
    (an address) is told to those that are kept off. Raises DatabaseError when another bridge has
    the lock.
    """
    if not url.lower().startswith("sqlite:"):
        yield
        return
    path = sqlite_path(url) + ".lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be written ({error.strerror}). Let the bridge's user write to its "
            "folder, or set database.url to another place."
        ) from error
    try:
        _lock(handle, sqlite_path(url))
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} {reached_at}".strip().encode())
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 200, 0).decode(errors="replace").strip()
        raise DatabaseError(
            f"Another bridge is running on {path}{f' ({holder})' if holder else ''}. Stop it "
            "first, or give this one a database of its own (database.url)."
        ) from None
