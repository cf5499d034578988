"""How talkative each puppet may be in a room: what the room set, below what the operator allows."""

from __future__ import annotations

from bridge.domain.persona import Puppet, Talkativeness
from bridge.domain.room_settings import LEVELS
from bridge.policy.addressing import present
from bridge.policy.view import View


def level_of(view: View, puppet: Puppet) -> Talkativeness:
    """Of this puppet here. The most special setting counts."""
    settings = view.room.settings
    wanted = settings.levels.get(puppet.puppet_id) or settings.level or puppet.persona.talkativeness
    return LEVELS[min(rank(wanted), rank(view.house.max_level))]


def rank(level: Talkativeness) -> int:
    return LEVELS.index(level)


def is_active(view: View, puppet: Puppet) -> bool:
    """May it speak here at all? Where nobody was chosen, everybody may."""
    chosen = view.room.settings.puppets
    return not chosen or puppet.puppet_id in chosen


def speakers(view: View, now: int) -> tuple[Puppet, ...]:
    """The puppets here that may speak at all, ordered by id."""
    return tuple(
        puppet
        for puppet in present(view)
        if puppet.role == "persona"
        and is_active(view, puppet)
        and level_of(view, puppet) != "silent"
        and not view.room.is_muted(puppet.puppet_id, now)
    )
