"""What `database.url` names. Every refusal says how to write it."""

from __future__ import annotations

import sqlite3
from typing import Final

from yarl import URL

from bridge.errors import ConfigError

_OLDEST_SQLITE: Final = (3, 35, 0)  # RETURNING


def sqlite_path(url: str) -> str:
    """The file of `sqlite:path`, relative or full. Raises ConfigError."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigError(
            f"This Python comes with SQLite {sqlite3.sqlite_version}; 3.35 or newer is needed: "
            "use a newer Python, or PostgreSQL (database.url)."
        )
    path = url.partition(":")[2]
    if path.startswith("///"):
        return "/" + path.lstrip("/")
    if path.startswith("//"):
        raise ConfigError(
            "database.url: an SQLite address names no host; write sqlite:bridge.db for a file "
            "beside the program, or sqlite:/var/lib/bridge/bridge.db for a full path."
        )
    if not path:
        raise ConfigError("database.url: the file is missing; write sqlite:bridge.db.")
    return path


def postgres_address(url: str) -> tuple[URL, str]:
    """The address, and the same for people: without its password. Raises ConfigError."""
    try:
        address = URL(url)
        shown = address.with_password(None) if address.host else address
    except ValueError as error:
        raise ConfigError(
            "database.url is no usable PostgreSQL address; write it as "
            "postgres://user:password@host:5432/name, with %-escapes in the password."
        ) from error
    # A password may stand in the query too.
    return address, str(shown.with_query(None))
