"""The puppets we have, looked up."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.domain.ids import PuppetId
from bridge.domain.persona import Puppet


@dataclass(frozen=True, slots=True)
class Cast:
    """Every puppet of this bridge, the bridge user included."""

    puppets: tuple[Puppet, ...]

    def by_user_id(self, user_id: str) -> Puppet | None:
        return next((p for p in self.puppets if p.user_id == user_id), None)

    def by_id(self, puppet_id: PuppetId) -> Puppet | None:
        return next((p for p in self.puppets if p.puppet_id == puppet_id), None)

    def is_ours(self, user_id: str) -> bool:
        return self.by_user_id(user_id) is not None

    def personas(self) -> tuple[Puppet, ...]:
        """The puppets that play a character, without the bridge user."""
        return tuple(p for p in self.puppets if p.role == "persona")
