"""Who a message is for: mention, name at the start or the end, reply, DM."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bridge.domain.events import Message
from bridge.domain.ids import PuppetId, UserId, localpart_of
from bridge.domain.persona import Puppet
from bridge.domain.room import Room
from bridge.policy import reasons
from bridge.policy.closing import called_last
from bridge.policy.names import (
    Called,
    begins_with,
    find_name,
    fold,
    name_at,
    own_words,
    without_names,
)
from bridge.policy.opening import after_greeting, called_first
from bridge.policy.view import View

WORDED: Final = frozenset({"text", "emote"})
"""Kinds of messages whose text was typed; that of an image is a file's name."""

_CALL_END: Final = re.compile(
    r"\s*[,:،、]|\s+(?:are|do|did|can|could|will|would|have|were) you\b"
    r"|\s+(?:bist|hast|kannst|kommst|willst|magst|weißt) du\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    puppet: Puppet
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A message as it was meant.

    `words` are the sender's own, folded; `remainder` is them without the names of our puppets.
    `named` are the puppets called anywhere in them, not only at the start.
    """

    words: str
    remainder: str
    addressed: tuple[Addressed, ...]
    named: tuple[Puppet, ...]
    is_for_somebody_else: bool


def listen(view: View, message: Message) -> Heard:
    """Who is spoken to, in the order in which they are named, and in which words."""
    words = own_words(message.text) if message.content_kind in WORDED else ""
    call = _Call(view, message, words)
    addressed = [
        Addressed(puppet=puppet, reason=reason)
        for puppet in call.present
        if (reason := call.reason(puppet))
    ]
    addressed.sort(key=lambda a: call.place(a.puppet))
    return Heard(
        words=words,
        remainder=without_names(words, [name for own in call.names.values() for name in own]),
        addressed=tuple(addressed),
        named=call.named(),
        is_for_somebody_else=not addressed and call.is_for_somebody_else(),
    )


def present(view: View) -> tuple[Puppet, ...]:
    """The puppets of ours in the room, ordered by id."""
    here = (p for p in view.house.cast.puppets if view.room.has_joined(p.user_id))
    return tuple(sorted(here, key=lambda puppet: puppet.puppet_id))


def direct_puppet(view: View) -> PuppetId | None:
    """Whose DM this is. It is nobody's while anybody else is in it."""
    direct = view.room.direct
    return direct.puppet_id if direct and not strangers_in_dm(view) else None


def strangers_in_dm(view: View) -> tuple[UserId, ...]:
    """Who is in a DM besides its person and its puppet."""
    direct = view.room.direct
    if direct is None:
        return ()
    puppet = view.house.cast.by_id(direct.puppet_id)
    pair = {direct.person, puppet.user_id if puppet else None}
    return tuple(m.user_id for m in view.room.joined() if m.user_id not in pair)


class _Call:
    """One message, asked puppet by puppet whether it is meant."""

    def __init__(self, view: View, message: Message, words: str) -> None:
        self._view = view
        self._message = message
        self._words = words
        self.present = present(view)
        self.names = {p.puppet_id: _names_of(p, view.room) for p in self.present}
        self._found = {i: find_name(words, names) for i, names in self.names.items()}
        first = called_first(words, self.names)
        self._opening = {i for i, called in first.items() if not self._means_a_person(called, i)}
        last = {} if self._opening else called_last(words, self.names)
        self._closing = {i for i, called in last.items() if not self._means_a_person(called, i)}

    def reason(self, puppet: Puppet) -> str | None:
        """The plainest sign that the message is for this puppet."""
        if self._is_mentioned(puppet):
            return reasons.MENTIONED
        is_called = puppet.puppet_id in self._opening | self._closing
        if is_called and not self._is_pill_beaten(puppet):
            return reasons.NAMED
        if self._is_replied_to(puppet) and not self._opens_with_another(puppet):
            return reasons.REPLIED_TO
        if self._message.content_kind in WORDED and direct_puppet(self._view) == puppet.puppet_id:
            return reasons.DIRECT
        return None

    def place(self, puppet: Puppet) -> tuple[int, int]:
        """Order of answers: as named in the text, then as mentioned without being named."""
        found = self._found[puppet.puppet_id]
        mentioned = self._mentioned()
        rank = mentioned.index(puppet.user_id) if puppet.user_id in mentioned else len(mentioned)
        return (found.start if found else len(self._words), rank)

    def named(self) -> tuple[Puppet, ...]:
        """The puppets called anywhere in the text, people of that name aside."""
        return tuple(
            puppet
            for puppet in self.present
            if (called := self._found[puppet.puppet_id])
            and not self._means_a_person(called, puppet.puppet_id)
        )

    def is_for_somebody_else(self) -> bool:
        """Is there a sign that the message is for a person, or for somebody not of ours?"""
        cast = self._view.house.cast
        target = self._author_replied_to()
        return (
            any(not cast.is_ours(user_id) for user_id in self._mentioned())
            or (target is not None and not cast.is_ours(target))
            or self._opens_with_a_person()
            or self._closes_with_a_person()
        )

    def _mentioned(self) -> tuple[UserId, ...]:
        """Intentional mentions; links in the text count only from clients that send none."""
        mentions = self._message.mentions
        return self._message.pills if mentions is None else mentions.user_ids

    def _is_mentioned(self, puppet: Puppet) -> bool:
        if puppet.user_id not in self._mentioned():
            return False
        if self._message.reply_to is None or puppet.user_id in self._message.pills:
            return True
        # To a reply, clients add its author and whom the message replied to mentioned: only a name
        # in the sender's own words shows that the sender meant it.
        if self._found[puppet.puppet_id]:
            return True
        return self._author_replied_to() is None and not self._opens_with_another(puppet)

    def _is_pill_beaten(self, puppet: Puppet) -> bool:
        """Is the name a link that the client did not count among its mentions?"""
        mentions = self._message.mentions
        is_linked = puppet.user_id in self._message.pills
        return mentions is not None and is_linked and puppet.user_id not in mentions.user_ids

    def _is_replied_to(self, puppet: Puppet) -> bool:
        return self._message.content_kind != "other" and (
            self._author_replied_to() == puppet.user_id
        )

    def _author_replied_to(self) -> UserId | None:
        target = self._message.reply_to
        said = self._view.said.get(target) if target else None
        return said.sender if said else None

    def _opens_with_another(self, puppet: Puppet) -> bool:
        """A reply that begins by calling somebody else is for them: "Bob, and you?" """
        return bool(self._opening - {puppet.puppet_id}) or self._opens_with_a_person()

    def _opens_with_a_person(self) -> bool:
        for place in after_greeting(self._words):
            for user_id, names in self._people():
                called = name_at(self._words, place, names)
                if called and (
                    user_id in self._mentioned() or _CALL_END.match(self._words, called.end)
                ):
                    return True
        return False

    def _closes_with_a_person(self) -> bool:
        """ "What do you think, Bob?" """
        people = {PuppetId(user_id): names for user_id, names in self._people()}
        return bool(called_last(self._words, people))

    def _means_a_person(self, called: Called, puppet_id: PuppetId) -> bool:
        """Does somebody in the room go by the name? A puppet's user id is never in doubt."""
        puppet = self._view.house.cast.by_id(puppet_id)
        if puppet is None or (
            called.name in _ids_of(puppet) and called.name not in map(fold, puppet.names())
        ):
            return False
        return any(begins_with(names[0], called.name) for _, names in self._people())

    def _people(self) -> Iterator[tuple[UserId, tuple[str, ...]]]:
        """Everybody in the room who is not ours, and not the sender, with display name first."""
        for member in self._view.room.joined():
            user_id = member.user_id
            if user_id == self._message.sender or self._view.house.cast.is_ours(user_id):
                continue
            name = fold(self._view.room.display_name(user_id)).strip().removeprefix("@")
            yield user_id, (name, *name.split()[:1], fold(localpart_of(user_id)))


def _names_of(puppet: Puppet, room: Room) -> tuple[str, ...]:
    """What people may type to call it, folded."""
    shown = (puppet.display_name, room.display_name(puppet.user_id))
    return (*(fold(name).strip() for name in (*puppet.names(), *shown)), *_ids_of(puppet))


def _ids_of(puppet: Puppet) -> tuple[str, ...]:
    return fold(puppet.user_id.removeprefix("@")), fold(localpart_of(puppet.user_id))
