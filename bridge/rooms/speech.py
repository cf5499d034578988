"""What a turn takes, and the effects that its reply becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from bridge.clock import Clock
from bridge.domain.decision import Answer
from bridge.domain.effect import Effect, SendText
from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.room import Room
from bridge.domain.turn import Turn
from bridge.policy import language, wording
from bridge.policy.context import secrets_of
from bridge.policy.lines import others_of
from bridge.policy.live import unfinished, whole_part
from bridge.policy.pacing import split
from bridge.policy.trust import clean_reply, is_undecided
from bridge.policy.view import House
from bridge.rooms.draft import Draft
from bridge.rooms.watch import Watch

PART_BYTES: Final = 6_000
"""Markdown of one message. HTML and JSON escaping can grow it eightfold; an event holds 64 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A turn with all it takes."""

    lease: Lease
    turn: Turn
    puppet: Puppet
    room: Room
    answer: Answer
    cause: Message
    watch: Watch
    said: tuple[Said, ...]
    """What the model is shown."""
    is_private: bool
    draft: Draft = field(default_factory=Draft)


class Composer:
    """Puts what a model wrote into messages."""

    def __init__(self, *, house: House, clock: Clock) -> None:
        self._house = house
        self._clock = clock

    def own_words(self, speech: Speech, text: str, *, was_cut: bool = False) -> str:
        """What of it may reach the room."""
        speaker, others = self._names(speech)
        return clean_reply(
            text,
            speaker=speaker,
            others=others,
            secrets=secrets_of(self._house),
            was_cut=was_cut,
        )

    def parts(self, speech: Speech, text: str, model: str) -> list[tuple[str, Effect]]:
        """The messages (ordinal, effect) of a reply, which was cleaned."""
        whole = self._message(speech, model)
        first, *rest = split(text, PART_BYTES)
        # What stood in the middle of a line now begins one, and must not be another's there.
        rest = [words for part in rest if (words := self.own_words(speech, part))]
        return [
            ("0", self._first(speech, replace(whole, text=first))),
            *((f"s{n}", replace(whole, text=part)) for n, part in enumerate(rest, start=1)),
        ]

    def beginning(self, speech: Speech, draft: str, model: str) -> SendText | None:
        """The first message of a reply that is still being written; None while there is none."""
        speaker, others = self._names(speech)
        if is_undecided(draft, speaker=speaker, others=others):
            return None
        text = self.own_words(speech, whole_part(draft), was_cut=True)
        if not text:
            return None
        first = split(text, PART_BYTES)[0]
        message = replace(self._message(speech, model), text=unfinished(first), is_live=True)
        return self._first(speech, message)

    def apology(self, speech: Speech, key: str) -> SendText:
        """A sentence of ours in place of a reply."""
        cause = speech.cause
        spoken = language.guess(cause.text) or speech.room.language or self._house.language
        return SendText(
            text=wording.sentence(key, spoken),
            is_notice=True,
            reply_to=cause.event_id,
            thread_root=speech.answer.thread_root,
        )

    def _names(self, speech: Speech) -> tuple[tuple[str, ...], frozenset[str]]:
        """What the speaker is called, and what everybody else is."""
        puppet = speech.puppet
        others = others_of(self._house.cast, speech.room, speech.said, puppet)
        return (*puppet.names(), puppet.display_name), others

    def _message(self, speech: Speech, model: str) -> SendText:
        answer = speech.answer
        return SendText(
            text="",
            is_generated=True,
            thread_root=answer.thread_root,
            model=model,
            is_notice=answer.is_unasked,
            hops=answer.hops,
            bounces_left=answer.bounces_left,
            reason=answer.reason,
            is_private=speech.is_private,
        )

    def _first(self, speech: Speech, message: SendText) -> SendText:
        late_ms = self._clock.now() - speech.cause.received_at
        is_late = late_ms > self._house.limits.late_answer_ms
        mentions = (speech.answer.asker,) if is_late else ()
        return replace(message, reply_to=speech.cause.event_id, mentions=mentions)
