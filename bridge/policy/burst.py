"""Several messages in quick succession by one person are one question: the last is answered."""

from __future__ import annotations

from typing import Final

from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.ids import PuppetId
from bridge.policy import reasons
from bridge.policy.addressing import WORDED, listen
from bridge.policy.commands import command_in, is_for_another_program
from bridge.policy.stopping import stopped_by_words
from bridge.policy.view import View

MOST_MESSAGES: Final = 8
"""Who never pauses is answered all the same."""


def goes_on(view: View, message: Message) -> bool:
    """Has its author gone on at once, with more of the same question?"""
    later = next((each for each in view.later if each.sender == message.sender), None)
    if later is None or len(_waiting(view, message)) >= MOST_MESSAGES - 1:
        return False
    is_near = 0 <= later.sent_at - message.sent_at < view.house.limits.burst_ms
    if not is_near or later.thread_root != message.thread_root:
        return False
    if later.content_kind not in WORDED or not later.text:
        return False
    asked = {a.puppet.puppet_id for a in listen(view, message).addressed}
    return not _is_apart(view, later, asked | set(asked_earlier(view, message)))


def asked_earlier(view: View, message: Message) -> tuple[PuppetId, ...]:
    """The puppets that the messages asked which this one goes on from, in order."""
    waiting = reversed(_waiting(view, message))
    return tuple(dict.fromkeys(puppet for said in waiting for puppet in said.asked))


def _waiting(view: View, message: Message) -> list[Said]:
    """The messages that this one goes on from, the newest first."""
    found: list[Said] = []
    at = message.sent_at
    for said in reversed(view.recent):
        if said.sender != message.sender:
            continue
        is_near = at - said.sent_at < view.house.limits.burst_ms
        if said.reason != reasons.BURST or not is_near or said.thread_root != message.thread_root:
            break
        found.append(said)
        at = said.sent_at
    return found


def _is_apart(view: View, message: Message, asked: set[PuppetId]) -> bool:
    """Is it a stop, a command or for somebody else, and so no part of what these were asked?"""
    heard = listen(view, message)
    calls_others = any(
        a.puppet.puppet_id not in asked
        for a in heard.addressed
        if a.reason in (reasons.MENTIONED, reasons.NAMED)
    )
    return bool(
        calls_others
        or heard.is_for_somebody_else
        or stopped_by_words(heard)
        or command_in(view, heard)
        or is_for_another_program(view, heard)
    )
