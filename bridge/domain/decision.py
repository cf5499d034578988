"""What policy chose. Every decision has a reason: a short code, the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bridge.domain.ids import EventId, PuppetId, RoomId, UserId
from bridge.domain.room_settings import Exchange, RoomSettings

Sentence = str
"""Key of a sentence in `bridge.policy.wording`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Let this puppet reply to this message. `hops` and `bounces_left` are the reply's own.

    `is_unasked`: nobody asked it, so it is a notice, and gives way to whoever speaks meanwhile.
    """

    puppet_id: PuppetId
    cause_id: EventId
    asker: UserId
    reason: str
    thread_root: EventId | None = None
    hops: int = 0
    bounces_left: int | None = None
    is_unasked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consider:
    """Ask the model who of these, if anybody, should say something about this message now.

    `score` is what led to it, in the parts that it was made of (for people who ask why).
    """

    cause_id: EventId
    puppets: tuple[PuppetId, ...]
    reason: str
    score: tuple[tuple[str, float], ...] = ()
    thread_root: EventId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A person lets these puppets talk among themselves for a while."""

    cause_id: EventId
    exchange: Exchange
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Post one of our own fixed sentences as a notice (help, disclosure, error, …).

    `ordinal` tells apart several for one cause. `values` fill the sentence's placeholders.
    """

    puppet_id: PuppetId
    cause_id: EventId
    sentence: Sentence
    reason: str
    ordinal: str = "n"
    values: tuple[tuple[str, str], ...] = ()
    language: str = ""
    reply_to: EventId | None = None
    thread_root: EventId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """React to a message with an emoji: seen, done, no words needed."""

    puppet_id: PuppetId
    cause_id: EventId
    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    puppet_id: PuppetId
    cause_id: EventId
    via: tuple[str, ...]
    reason: str
    is_direct: bool = False
    inviter: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Go on in the room that this one was replaced by, if that one says so too."""

    puppet_id: PuppetId
    cause_id: EventId
    target: RoomId
    via: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """Somebody may hurt themselves: from now on no jokes, and nobody speaks unasked for a while."""

    cause_id: EventId
    person: UserId
    at: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Leave the room, or decline its invite, with one sentence as the reason."""

    puppet_id: PuppetId
    cause_id: EventId
    sentence: Sentence
    reason: str
    values: tuple[tuple[str, str], ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Silence this puppet here until `until` (unix ms) and drop its unfinished reply."""

    puppet_id: PuppetId
    cause_id: EventId
    until: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BecomeGroup:
    """The room is no DM (any more): from now on the puppet answers only when addressed."""

    puppet_id: PuppetId
    cause_id: EventId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Remove the text of a message from everything we store (it was redacted)."""

    cause_id: EventId
    target: EventId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Replace the stored text of a message by its newest edit. An edit asks nothing anew."""

    cause_id: EventId
    target: EventId
    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPerson:
    """Erase what is stored of a person who wants it, in all rooms, and prove it with counts.

    `proof` lacks the counts, which are known only then; None where nothing may be written.
    """

    puppet_id: PuppetId
    cause_id: EventId
    person: UserId
    proof: Say | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opt:
    """Leave a person's words out of everything from now on (`out`), or show them again.

    `proof` lacks the counts of what was erased; None where nothing may be written.
    """

    puppet_id: PuppetId
    cause_id: EventId
    person: UserId
    out: bool
    proof: Say | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """Change how the AI behaves in this room, from the next message on."""

    cause_id: EventId
    settings: RoomSettings
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """Say why a message was said, or was not answered, or what the AI did today, and for whom.

    `say` lacks what is found out only then: see `bridge.policy.explaining`.
    """

    puppet_id: PuppetId
    cause_id: EventId
    person: UserId
    what: Literal["why", "usage"]
    target: EventId | None
    say: Say
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchModel:
    """An admin wants a model pulled: `model` and `server` ("": wherever it should be), folded.

    `say` lacks what is found out only then: see `bridge.policy.operating`.
    """

    puppet_id: PuppetId
    cause_id: EventId
    model: str
    server: str
    say: Say
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStock:
    """Say which of the models that are wanted are there. `say` lacks them."""

    puppet_id: PuppetId
    cause_id: EventId
    say: Say
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retract:
    """Redact an event of ours: it stands in the room a second time, or is not wanted."""

    puppet_id: PuppetId
    cause_id: EventId
    target: EventId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """Somebody asked for too much, and has been shown so: not again until then (unix ms)."""

    cause_id: EventId
    person: UserId
    until: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nobody speaks. Recorded all the same: "why did nobody answer?" has an answer.

    `asked` are puppets that will answer once its author has finished.
    """

    cause_id: EventId
    reason: str
    asked: tuple[PuppetId, ...] = ()


Decision = (
    Answer
    | Consider
    | Open
    | Say
    | Acknowledge
    | Join
    | Follow
    | Care
    | Leave
    | Mute
    | BecomeGroup
    | Forget
    | Amend
    | ForgetPerson
    | Opt
    | Configure
    | Defer
    | Explain
    | FetchModel
    | TakeStock
    | Retract
    | Silence
)
