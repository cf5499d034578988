"""Every error this program raises on purpose.

BridgeError
├── ConfigError            the operator's configuration
├── ScenarioError          a conversation file of `replay`
├── SetupError             something `demo` needs and cannot get
├── DatabaseError
│   ├── SchemaTooNew       a newer version of this program wrote the database
│   ├── LeaseLost          another worker owns the room now: drop everything silently
│   └── TransactionMissing the homeserver left a transaction out: it shall send that first
├── HomeserverError
│   ├── Unreachable        try again
│   ├── RateLimited        try again after `retry_after_ms`
│   ├── Refused            never succeeds as it is (403, 404, gone, too large)
│   └── TokenRejected      the operator must fix the registration
├── ToolFailed             a tool could not do what it was asked
├── BadMedia             somebody's picture or voice message cannot be used
└── EngineError
    ├── EngineUnreachable
    ├── ModelMissing
    ├── DiskFull           of the model server
    ├── LibraryUnreachable where the model server gets models from
    ├── ContextTooLong
    ├── EngineTimeout
    ├── EngineBusy         it waited too long for its turn
    └── EngineBroken       bad or interrupted stream
"""

from __future__ import annotations

from typing import ClassVar, Literal

Blame = Literal["user", "operator", "homeserver", "engine", "us"]


class BridgeError(Exception):
    """Base of the tree. `blame`: who can fix it. `is_transient`: whether trying again may help."""

    blame: ClassVar[Blame] = "us"
    is_transient: ClassVar[bool] = False


class ConfigError(BridgeError):
    """A setting that cannot be used. `str()` is a sentence with path, value and fix."""

    blame = "operator"


class ScenarioError(BridgeError):
    """A conversation file that cannot be used. `str()` names path, line and what is wrong."""

    blame = "user"


class SetupError(BridgeError):
    """Something the embedded demo needs is missing. `str()` says what to do."""

    blame = "operator"


class DatabaseError(BridgeError):
    blame = "operator"


class SchemaTooNew(DatabaseError):
    """The database was written by a version that this one cannot work beside."""


class LeaseLost(DatabaseError):
    """The room belongs to another worker now (its epoch moved on)."""

    blame = "us"


class TransactionMissing(DatabaseError):
    """A transaction was not stored because the one before it has not come."""

    blame = "homeserver"
    is_transient = True


class HomeserverError(BridgeError):
    """What the homeserver answered. `errcode` is the Matrix error code, or "" without one."""

    blame = "homeserver"

    def __init__(self, message: str, *, status: int = 0, errcode: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.errcode = errcode


class Unreachable(HomeserverError):
    is_transient = True


class TimedOut(Unreachable):
    """It took the request, and did not answer in time."""


class RateLimited(HomeserverError):
    is_transient = True

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message, status=429, errcode="M_LIMIT_EXCEEDED")
        self.retry_after_ms = retry_after_ms


class Refused(HomeserverError):
    """Permanent: power, ban, ACL, policy server, room gone, event too large."""


class TokenRejected(HomeserverError):
    blame = "operator"


class BadMedia(BridgeError):
    """A picture or a voice message that cannot be read, or is too large."""

    blame = "user"


class ToolFailed(BridgeError):
    """A call of a tool that came to nothing. `str()` is shown to the model."""

    blame = "engine"


class EngineError(BridgeError):
    """A reply could not be made. `code` is the key of the sentence that the asker is told."""

    blame = "engine"
    code: ClassVar[str] = "engine_down"


class EngineUnreachable(EngineError):
    is_transient = True
    code = "engine_down"


class ModelMissing(EngineError):
    """`server` and `model` are set where the server could have the model, and has not: `model` ""
    means that it has none that can chat."""

    blame = "operator"
    code = "model_missing"

    def __init__(self, message: str, *, server: str = "", model: str = "") -> None:
        super().__init__(message)
        self.server = server
        self.model = model


class DiskFull(EngineError):
    """The model server has no room for a model."""

    blame = "operator"
    code = "disk_full"


class LibraryUnreachable(EngineError):
    """The model server does not reach the place where it gets models from."""

    blame = "operator"
    is_transient = True
    code = "library_unreachable"


class ContextTooLong(EngineError):
    code = "context_too_long"


class EngineTimeout(EngineError):
    is_transient = True
    code = "engine_timeout"


class EngineBusy(EngineError):
    """Too many wait; the call was not begun."""

    is_transient = True
    code = "engine_busy"


class EngineBroken(EngineError):
    is_transient = True
    code = "engine_broken"
