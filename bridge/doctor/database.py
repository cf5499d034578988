"""Checks of the database: reachable, at a schema that we can use, writable."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.clock import Clock
from bridge.doctor.finding import Finding, fail, ok, warn
from bridge.errors import BridgeError, SchemaTooNew
from bridge.store.address import sqlite_path
from bridge.store.database import Database, open_database
from bridge.store.migrations import LATEST, current_version, migrate
from bridge.store.probe import try_to_write

_NAME = "database"


async def check_database(url: str, clock: Clock) -> Finding:
    """Never creates or migrates: whoever runs this may be another user than the bridge's."""
    try:
        path = _sqlite_file(url)
        if path is not None and not path.exists():
            return _not_yet(path)
        database = await open_database(url, clock)
    except BridgeError as error:
        return fail(_NAME, str(error), "Correct that and run this again.")
    try:
        return await _examine(database)
    except BridgeError as error:
        return fail(_NAME, str(error), "Correct that and run this again.")
    finally:
        await database.close()


async def _examine(database: Database) -> Finding:
    await try_to_write(database)
    version = await current_version(database)
    if version > LATEST:
        try:
            # On a newer schema it changes nothing: it accepts or refuses.
            await migrate(database)
        except SchemaTooNew as error:
            return fail(_NAME, str(error), "Use the newer program, or that backup.")
        return warn(
            _NAME,
            f"{database.place} is at schema v{version}, newer than ours (v{LATEST}) and "
            "compatible with it.",
            "Upgrade this program soon.",
        )
    if version == 0:
        return ok(_NAME, f"{database.place} is empty and writable; `run` sets it up.")
    if version < LATEST:
        return warn(
            _NAME,
            f"{database.place} is at schema v{version}, this program uses v{LATEST}.",
            "`matrix-ai-bridge run` upgrades it at its start, or do it now with `migrate`. Make a "
            "backup first.",
        )
    return ok(_NAME, f"{database.place} is writable and at schema v{version}, the newest.")


def _not_yet(path: Path) -> Finding:
    folder = path.parent
    if not folder.is_dir():
        return fail(
            _NAME,
            f"The folder {folder} of the database does not exist.",
            "Create it, owned by the user that runs the bridge, or correct database.url.",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return fail(
            _NAME,
            f"The database {path} cannot be created: {folder} is not writable for this user.",
            "Let the user that runs the bridge write there, or correct database.url.",
        )
    return ok(_NAME, f"{path} does not exist yet; `run` creates it.")


def _sqlite_file(url: str) -> Path | None:
    """Raises ConfigError."""
    return Path(sqlite_path(url)) if url.lower().startswith("sqlite:") else None
