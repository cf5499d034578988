"""Characters, and the Matrix users that play them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.domain.ids import DeviceId, PuppetId, UserId

Talkativeness = Literal["silent", "reply-only", "reserved", "balanced", "sociable", "chatty"]
PuppetRole = Literal["persona", "bridge"]
PuppetState = Literal["new", "registered", "retired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleLine:
    asked: str
    answered: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A character as written in its file. `version` changes with its content."""

    persona_id: PuppetId
    version: str
    name: str
    aliases: tuple[str, ...] = ()
    description: str
    """One line that people see in lists."""
    character: str
    """Who it is, for the model."""
    voice: tuple[str, ...] = ()
    """Short rules of style, repeated beside the point of generation."""
    greeting: str = ""
    examples: tuple[ExampleLine, ...] = ()
    avatar: str = ""
    """Absolute path of an image file, or ""."""
    model: str = ""
    """Model of its own, or "" for the operator's default."""
    talkativeness: Talkativeness = "reply-only"
    language: str = ""
    """Language it prefers (`en`, `zh`, …), or "" to follow the person who asks."""
    tools: tuple[str, ...] = ()
    """Names of tools that it may use, as far as the operator allows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Puppet:
    """A Matrix user that we control. The bridge user is the one with role `bridge`."""

    puppet_id: PuppetId
    user_id: UserId
    device_id: DeviceId
    display_name: str
    persona: Persona
    role: PuppetRole = "persona"

    def names(self) -> tuple[str, ...]:
        """The name and aliases people call it by."""
        return (self.persona.name, *self.persona.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class PuppetRecord:
    """What the homeserver already knows of a puppet.

    `avatar_hash` is of the file that was uploaded as `avatar_mxc`; both "" without one.
    """

    puppet_id: PuppetId
    user_id: UserId
    device_id: DeviceId
    display_name: str = ""
    avatar_hash: str = ""
    avatar_mxc: str = ""
    state: PuppetState = "new"
