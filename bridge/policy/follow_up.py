"""A question that needs no name, because the conversation is already between two."""

from __future__ import annotations

from typing import Final

from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.persona import Puppet
from bridge.policy import reasons
from bridge.policy.asking import is_question, is_thanks, speaks_to_somebody
from bridge.policy.floor import ASKED_BY_A_PERSON
from bridge.policy.names import own_words
from bridge.policy.view import View

WITHIN_MS: Final = 60_000


def followed_up(view: View, message: Message, words: str) -> Puppet | None:
    """The puppet that the message goes on talking with.

    It answered this person, nobody else has spoken since, not a minute has passed, and the message
    asks something, speaks to it, or answers what it asked. Statements follow nothing up. `words`
    are the sender's own, folded, and no filler.
    """
    answer = view.recent[-1] if view.recent else None
    if answer is None or not _is_answer_to(view, answer, message):
        return None
    if message.received_at - answer.sent_at > WITHIN_MS:
        return None
    if is_thanks(words):
        return None
    is_asking = is_question(words) or speaks_to_somebody(words)
    was_asked = is_question(own_words(answer.text))
    if not (is_asking or was_asked):
        return None
    puppet = view.house.cast.by_user_id(answer.sender)
    return puppet if puppet and puppet.role == "persona" else None


def was_asked(view: View) -> bool:
    """Is the last thing that was said a question of one of our puppets?"""
    last = view.recent[-1] if view.recent else None
    return last is not None and last.is_ours and is_question(own_words(last.text))


def _is_answer_to(view: View, answer: Said, message: Message) -> bool:
    if not answer.is_ours or answer.thread_root != message.thread_root:
        return False
    # What was said in a DM, where nobody has to be called, begins nothing in a group.
    if answer.hops or answer.reason not in ASKED_BY_A_PERSON - {reasons.DIRECT}:
        return False
    for said in reversed(view.recent):
        if said.sender == answer.sender:
            continue
        return said.sender == message.sender
    return False
