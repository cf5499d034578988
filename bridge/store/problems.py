"""What a database driver's error means, as a sentence that says who fixes it and how.

Drivers put values into their messages, and values are room text: only what is known to hold none
is repeated here.
"""

# asyncpg ships no types of its errors.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

import sqlite3
from typing import Final

import asyncpg
from asyncpg.exceptions import InternalClientError

from bridge.errors import BridgeError, ConfigError, DatabaseError

DRIVER_ERRORS: Final = (
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    InternalClientError,
    OSError,
    TimeoutError,
)

_SQLITE_SENTENCES: Final = (
    (
        "locked",
        "is locked by another program: stop it. One SQLite file serves one process; "
        "several processes need PostgreSQL (database.url)",
    ),
    (
        "unable to open",
        "cannot be opened: create its folder and let the user that runs the bridge write there, "
        "or correct database.url",
    ),
    (
        "readonly",
        "is read-only: let the user that runs the bridge write to the file and to its folder",
    ),
    ("disk is full", "cannot grow, the disk is full: free space on it"),
    ("disk i/o", "cannot be read or written: check the disk that holds it"),
    (
        "not a database",
        "is no SQLite database: restore it from a backup, or name another file in database.url",
    ),
    ("malformed", "is damaged: restore it from a backup"),
)


def explained(error: BaseException, place: str) -> BridgeError:
    """Our error for a driver's. `place` names the database, without its password."""
    match error:
        case asyncpg.PostgresError():
            return DatabaseError(f"The database {place} {_of_postgres(error)}.")
        case asyncpg.exceptions.ClientConfigurationError():
            return ConfigError(
                f"database.url: {place} is no usable PostgreSQL address; "
                "write it as postgres://user:password@host:5432/name."
            )
        case asyncpg.InterfaceError() | InternalClientError():
            return DatabaseError(
                f"The connection to the database {place} failed ({type(error).__name__}). "
                "It is opened again by itself; when this repeats, check the PostgreSQL server."
            )
        case sqlite3.Error():
            return DatabaseError(f"The database {place} {_of_sqlite(error)}.")
        case _:
            return DatabaseError(
                f"The database {place} cannot be reached ({_reason(error)}): start the PostgreSQL "
                "server, or correct host and port in database.url."
            )


def may_be_chained(error: BaseException) -> bool:
    """False where the driver's message may hold a stored value."""
    match error:
        case asyncpg.PostgresError():
            return not getattr(error, "detail", None)
        case asyncpg.InterfaceError():
            return not isinstance(error, ValueError)
        case _:
            return True


def _of_sqlite(error: sqlite3.Error) -> str:
    text = str(error).lower()
    for words, sentence in _SQLITE_SENTENCES:
        if words in text:
            return sentence
    return f"refused a statement ({type(error).__name__}: {error}); please report this"


def _of_postgres(error: asyncpg.PostgresError) -> str:
    match error:
        case asyncpg.InvalidCatalogNameError():
            return "does not exist: create it with `createdb`, or correct its name in database.url"
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return "refuses the user or the password: correct them in database.url"
        case asyncpg.InsufficientPrivilegeError():
            return (
                "does not allow this to our user: make it the owner of the database "
                "(ALTER DATABASE … OWNER TO …)"
            )
        case asyncpg.TooManyConnectionsError():
            return "has no free connection: raise max_connections in postgresql.conf"
        case asyncpg.CannotConnectNowError() | asyncpg.AdminShutdownError():
            return "is starting or stopping: wait, it is tried again"
        case asyncpg.DiskFullError():
            return "cannot grow, the disk is full: free space on the server"
        case _:
            return f"refused a statement ({type(error).__name__}); please report this"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or type(error).__name__
