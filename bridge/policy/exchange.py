"""Puppets that talk among themselves, because a person said so: who is next, and when it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bridge.domain.decision import Answer
from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.ids import PuppetId
from bridge.domain.persona import Puppet
from bridge.domain.room_settings import Exchange
from bridge.policy import reasons
from bridge.policy.addressing import Heard
from bridge.policy.levels import speakers
from bridge.policy.names import find_name, fold
from bridge.policy.view import View

PACE_MS: Final = 3_000

_AMONG: Final = re.compile(
    r"\b(?:discuss|debate|argue|among yourselves|between yourselves|talk it over"
    r"|talk to each other|chat with each other|diskutiert|debattiert|unter euch|miteinander"
    r"|untereinander|beredet|discutid|discutan|debatid|debatan|entre vosotras|entre vosotros"
    r"|entre ustedes|entre vosotros dos|hablad entre)\b"
    r"|讨论|討論|辩论|辯論|互相聊|你们聊聊|你們聊聊|議論して|話し合って|討論して|二人で話して"
    r"|ناقشا|ناقشوا|تناقشا|تناقشوا|فيما بينكم|تحدثا معا"
)
_NOT: Final = re.compile(
    r"\b(?:don't|do not|dont|never|stop|nicht|no|sin) (?:\w+ ){0,2}?"
    r"(?:ask|tell|discuss|debate|argue)"
    r"|\b(?:i|we|i'll|we'll|did|has|have|will) (?:\w+ ){0,2}?(?:asked|ask|told|tell)\b"
    r"|(?:diskutiert|debattiert|streitet) (?:\w+ )?nicht|别|別|不要|لا ت"
)
_BEFORE: Final = re.compile(
    r"(?:\b(?:ask|tell|talk to|talk with|frag|frage|sag|sprich mit|rede mit|pregunta a"
    r"|pregúntale a|dile a|habla con)(?: (?:mal|bitte|auch|also|please|doch))*\s+@?"
    r"|(?:问问|問問|问一下|問一下|去问|去問|问|問|告诉|告訴)|(?:اسأل|اسألي|أخبر|أخبري)\s+)$"
)
_BEHIND: Final = re.compile(r"\s*(?:に聞いて|に訊いて|に話して)|\s+(?:mal |bitte )*fragen\b")


def opened(message: Message, heard: Heard, asked: Sequence[Puppet]) -> Exchange | None:
    """The exchange that a person opens with these words, or None."""
    named = tuple(p for p in heard.named if p.role == "persona" and p not in asked)
    if _NOT.search(heard.words):
        return None
    if len(asked) > 1 and _AMONG.search(heard.words):
        puppets = asked
    elif len(asked) == 1 and named and _is_sent_to(heard.words, named[0]):
        puppets = (*asked, *named[:1])
    else:
        return None
    return Exchange(
        opened_by=message.event_id,
        puppets=tuple(p.puppet_id for p in puppets),
        thread_root=message.thread_root,
    )


def _is_sent_to(words: str, puppet: Puppet) -> bool:
    """Is a word like "ask" said right beside the name of the other puppet?"""
    names = [fold(name) for name in puppet.names()]
    at = 0
    while called := find_name(words, names, at):
        if _BEFORE.search(words[: called.start]) or _BEHIND.match(words, called.end):
            return True
        at = called.end
    return False


def next_turn(view: View, now: int) -> tuple[Answer, int] | None:
    """The next turn of the exchange that is open, and when it is due; None where it has ended."""
    exchange = view.room.exchange
    if exchange is None:
        return None
    spoken = _since(view, exchange)
    if spoken is None or not spoken or len(spoken) >= view.house.limits.ai_messages:
        return None
    speaker = _next_speaker(view, exchange, spoken, now)
    if speaker is None:
        return None
    last = spoken[-1]
    answer = Answer(
        puppet_id=speaker,
        cause_id=last.event_id,
        asker=last.sender,
        reason=reasons.EXCHANGE,
        thread_root=exchange.thread_root,
        hops=len(spoken),
    )
    return answer, last.sent_at + PACE_MS


def _since(view: View, exchange: Exchange) -> list[Said] | None:
    """What puppets said since it was opened; None where a person has spoken, which ends it."""
    lines = list(view.recent)
    opening = next((n for n, s in enumerate(lines) if s.event_id == exchange.opened_by), None)
    if opening is None:
        return None
    since = lines[opening + 1 :]
    return None if any(said.is_human for said in since) else [s for s in since if s.is_ours]


def _next_speaker(
    view: View, exchange: Exchange, spoken: Sequence[Said], now: int
) -> PuppetId | None:
    """In turn, whoever may speak; nobody answers itself."""
    may = {puppet.puppet_id: puppet.user_id for puppet in speakers(view, now)}
    order = [puppet_id for puppet_id in exchange.puppets if puppet_id in may]
    last = next((p for p in order if may[p] == spoken[-1].sender), None)
    if not order:
        return None
    if last is None:
        return order[0]
    following = order[(order.index(last) + 1) % len(order)]
    return None if following == last else following
