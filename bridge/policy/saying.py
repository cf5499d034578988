"""Fixed sentences as decisions: which puppet says which, in which language, filled in."""

from __future__ import annotations

from urllib.parse import quote

from bridge.domain.decision import Leave, Say
from bridge.domain.events import Membership, Message, RoomEvent
from bridge.domain.persona import Puppet
from bridge.policy import language, wording
from bridge.policy.view import House, View


def say(
    view: View, event: Membership, puppet: Puppet, sentence: str, reason: str, *, ordinal: str
) -> Say:
    """Tell the room something of our own accord."""
    return Say(
        puppet_id=puppet.puppet_id,
        cause_id=event.event_id,
        sentence=sentence,
        reason=reason,
        ordinal=ordinal,
        values=_values(view.house, puppet, sentence),
        language=language_of(view),
    )


def reply(
    view: View, message: Message, puppet: Puppet, sentence: str, reason: str, **values: str
) -> Say:
    """Answer a message with a fixed sentence, where and in the language it was asked."""
    return Say(
        puppet_id=puppet.puppet_id,
        cause_id=message.event_id,
        sentence=sentence,
        reason=reason,
        values=_values(view.house, puppet, sentence, **values),
        language=language_of(view, message.text),
        reply_to=message.event_id,
        thread_root=message.thread_root,
    )


def leave(view: View, event: RoomEvent, puppet: Puppet, sentence: str, reason: str) -> Leave:
    """Leave the room, or decline its invite, saying why."""
    return Leave(
        puppet_id=puppet.puppet_id,
        cause_id=event.event_id,
        sentence=sentence,
        reason=reason,
        values=_values(view.house, puppet, sentence),
        language=language_of(view),
    )


def language_of(view: View, text: str = "") -> str:
    """What the room should be spoken to in, and who wrote `text` in it."""
    room = view.room
    chosen = room.settings.language or language.guess(text) or room.language
    return chosen or view.house.language


def _values(
    house: House, puppet: Puppet, sentence: str, **values: str
) -> tuple[tuple[str, str], ...]:
    """What the sentence's placeholders stand for, in the order in which it names them."""
    known = {
        **dict.fromkeys(wording.LATER, ""),
        "name": puppet.persona.name,
        "operator": house.operator or house.access.own_server,
        "contact": house.contact,
        "days": str(house.limits.context_days),
        "prefix": house.command_prefix,
        "limit": str(house.access.max_members),
        "list": _list(house),
        **values,
    }
    return tuple((key, known[key]) for key in wording.KEYS[sentence])


def _list(house: House) -> str:
    """The puppets with a character, as a Markdown list of links that open a chat with them."""
    return "\n".join(
        f"- [{wording.escape(puppet.display_name)}]"
        f"(https://matrix.to/#/{quote(puppet.user_id, safe='@:')})"
        + (f": {wording.escape(about)}" if (about := puppet.persona.description) else "")
        for puppet in house.cast.personas()
    )
