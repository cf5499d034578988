"""Models on servers: which are wanted where, what is there, and getting what is not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from bridge.domain.ids import EventId, PuppetId, RoomId

_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_HOST: Final = r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::\d{1,5})?"
_NAME: Final = re.compile(rf"(?:(?:{_HOST}/)?{_PART}/)?{_PART}(?::{_PART})?")


def is_model_name(text: str) -> bool:
    """Is it a name as Ollama takes them: `[host/][namespace/]model[:tag]`?"""
    return _NAME.fullmatch(text) is not None


def with_tag(name: str) -> str:
    """The name with its tag: `:latest` is what a name without one means."""
    name = name.strip()
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def is_same_model(name: str, other: str) -> bool:
    return with_tag(name).lower() == with_tag(other).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model that the configuration names for a server. `model` "": the server's own choice.

    `purposes` are what it is for, in the words of the configuration. Where it `can_be_pulled`, the
    server is an Ollama."""

    server: str
    model: str
    purposes: tuple[str, ...] = ()
    can_be_pulled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What a server has of a model that is wanted. `unknown`: the server does not answer."""

    wanted: Wanted
    model: str
    """The name; where the configuration names none, that of the model chosen, or ""."""
    state: Literal["there", "missing", "unknown"]
    is_loaded: bool = False
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    """Bytes over all parts known so far; the last one of a good pull has `is_done`."""

    status: str
    done_bytes: int = 0
    total_bytes: int = 0
    is_done: bool = False

    @property
    def percent(self) -> int:
        """0 while nothing is known."""
        return 100 * self.done_bytes // self.total_bytes if self.total_bytes else 0


PullState = Literal["open", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A download of a model, and where its outcome is told. Only one of a server and model is open.

    `started_at` in unix ms."""

    pull_id: str
    server: str
    model: str
    room_id: RoomId
    puppet_id: PuppetId
    cause_id: EventId
    """The command that began it."""
    state: PullState = "open"
    done_bytes: int = 0
    total_bytes: int = 0
    started_at: int = 0

    @property
    def percent(self) -> int:
        return 100 * self.done_bytes // self.total_bytes if self.total_bytes else 0
