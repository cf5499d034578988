"""What is kept of rooms: how much, how old, and for how long at most."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bridge.admin.figures import age, in_days, size
from bridge.clock import Clock
from bridge.doctor.finding import Finding, ok, skip, warn
from bridge.errors import BridgeError
from bridge.store.address import sqlite_path
from bridge.store.database import Database, open_database
from bridge.store.inspect import figures
from bridge.store.migrations import current_version

_NAME: Final = "kept text"
_DAY_MS: Final = 86_400_000
_PATIENCE_MS: Final = 2 * 3_600_000
"""A running bridge deletes what is too old once an hour."""


async def check_kept(url: str, kept_days: int, clock: Clock) -> Finding:
    """Reads only. Failures of the database are another check's matter."""
    try:
        if is_missing(url):
            return _nothing(kept_days)
        database = await open_database(url, clock)
    except BridgeError:
        return skip(_NAME, "the database")
    try:
        return await _examine(database, kept_days, clock.now())
    except BridgeError:
        return skip(_NAME, "the database")
    finally:
        await database.close()


async def _examine(database: Database, kept_days: int, now: int) -> Finding:
    if await current_version(database) == 0:
        return _nothing(kept_days)
    held = await figures(database)
    oldest_at = held.oldest_text_at
    if oldest_at is None:
        return _nothing(kept_days)
    sentence = (
        f"Room texts kept: {held.texts}, the oldest for {age(oldest_at, now)}; "
        f"retention.room_text_days is {kept_days}. The database takes {size(held.size_bytes)}."
    )
    if now - oldest_at > kept_days * _DAY_MS + _PATIENCE_MS:
        return warn(
            _NAME,
            sentence,
            "A running bridge deletes what is too old: start it (`run`, or a `work`).",
        )
    return ok(_NAME, sentence)


def _nothing(kept_days: int) -> Finding:
    return ok(_NAME, f"No room text is kept now; what comes is, for {in_days(kept_days)} at most.")


def is_missing(url: str) -> bool:
    """Is it an SQLite file that does not exist yet? Raises ConfigError."""
    return url.lower().startswith("sqlite:") and not Path(sqlite_path(url)).exists()
