"""What `rooms/` asks of the outside. Adapters satisfy these structurally; `app.py` picks them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from typing import Protocol

from bridge.domain.budget import Spending
from bridge.domain.effect import Effect, Planned
from bridge.domain.events import Delivery, Membership, StateChange
from bridge.domain.history import Erased, Said
from bridge.domain.ids import EventId, PuppetId, RoomId, TurnId, TxnId, UserId, WorkerId
from bridge.domain.lease import Arrival, Lease
from bridge.domain.model import Pull, PullProgress, PullState, Stock, Wanted
from bridge.domain.persona import Puppet, PuppetRecord
from bridge.domain.prompt import Delta, Prompt
from bridge.domain.room import Room
from bridge.domain.summary import Summary
from bridge.domain.tool import Asking, Tool, ToolUse
from bridge.domain.turn import Turn, TurnState, Used


class Engine(Protocol):
    """A model back end."""

    @property
    def label(self) -> str:
        """What people are told answers: a model's name, or "demo engine, no AI model connected"."""
        ...

    def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        """Generate. Yields text, ends with exactly one `Finished`; thinking text is never yielded.

        `affinity` (the room) keeps a room on one server. Closing the iterator cancels.
        Raises EngineError; after the first delta only EngineBroken or EngineTimeout.
        """
        ...

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        """How likely each letter of `prompt.scene.choices` is the model's answer: at most 1 in all.

        Raises EngineError. An engine that cannot choose says {}.
        """
        ...

    async def close(self) -> None: ...


class ToolSource(Protocol):
    """Tools that puppets may use, where the operator allows them by name."""

    async def tools(self) -> Sequence[Tool]:
        """What it has now. A source that is away has nothing; it never raises, and takes seconds
        at most."""
        ...

    async def call(self, tool: Tool, arguments: Mapping[str, object], asking: Asking) -> str:
        """What the tool gives: text that somebody wrote. May be cancelled at any time. Raises
        ToolFailed."""
        ...

    async def close(self) -> None: ...


class ModelKeeper(Protocol):
    """The models that the configuration names, on their servers."""

    def wanted(self) -> Sequence[Wanted]:
        """Which models should be where, as the configuration is now."""
        ...

    async def stock(self) -> Sequence[Stock]:
        """What of them is there. Raises nothing: a server that does not answer is told as such."""
        ...

    async def has(self, server: str, model: str) -> bool:
        """Raises EngineError."""
        ...

    def pull(self, server: str, model: str) -> AsyncGenerator[PullProgress, None]:
        """Have the server download a model that is wanted there; the last progress `is_done`.

        Closing the iterator stops it, a new pull goes on where it stopped. Raises EngineError:
        ModelMissing where there is no such model to be had, DiskFull and LibraryUnreachable where
        the server can't get it, and others.
        """
        ...


class Transcriber(Protocol):
    """Puts voices in words."""

    async def transcribe(self, recording: bytes) -> str:
        """What is said in it. Raises EngineError."""
        ...

    async def close(self) -> None: ...


class Homeserver(Protocol):
    """What puppets do on their homeserver. Every call raises HomeserverError when it fails."""

    async def send(self, puppet: Puppet, room_id: RoomId, effect: Effect, txn_id: TxnId) -> EventId:
        """Send with the puppet's device. The same `txn_id` again gives the same event."""
        ...

    async def type(self, puppet: Puppet, room_id: RoomId, *, is_typing: bool) -> None: ...

    async def mark_read(self, puppet: Puppet, room_id: RoomId, event_id: EventId) -> None: ...

    async def join(self, puppet: Puppet, room_id: RoomId, via: Sequence[str]) -> None:
        """Join without waiting or retrying. Joining a joined room changes nothing."""
        ...

    async def leave(self, puppet: Puppet, room_id: RoomId, reason: str) -> None:
        """Leave, or decline an invite. Leaving again changes nothing.

        Raises Refused where the puppet was never in the room, or is banned.
        """
        ...

    async def room_state(
        self, puppet: Puppet, room_id: RoomId
    ) -> Sequence[Membership | StateChange]:
        """The whole current state that matters to us, as the puppet sees it."""
        ...

    async def joined_rooms(self, puppet: Puppet) -> Sequence[RoomId]: ...

    async def profile(self, puppet: Puppet, user_id: UserId) -> Mapping[str, object]:
        """What somebody says of themselves. It may take another server long to answer."""
        ...

    async def picture(self, puppet: Puppet, mxc: str) -> bytes:
        """A picture as a small JPEG. Raises BadMedia too."""
        ...

    async def recording(self, puppet: Puppet, mxc: str) -> bytes:
        """A voice message, as it was sent. Raises BadMedia where it is too large."""
        ...

    async def look_back(
        self, puppet: Puppet, room_id: RoomId, *, limit: int, now: int,
        is_ours: Callable[[str], bool],
    ) -> Delivery:  # fmt: skip
        """The newest events of the room since the puppet joined, as a transaction would bring them:
        the oldest first. Raises TimedOut where the homeserver takes too long to collect them."""
        ...


class Mailbox(Protocol):
    """Events of rooms, in order, and who may handle them. See `bridge.store.mailbox`."""

    async def deliver(self, delivery: Delivery) -> int:
        """Store one transaction in one commit; return how many events were new.

        Events seen before (by event id) change nothing. Echoes confirm their outbox rows.
        """
        ...

    async def claim(self, worker_id: WorkerId, limit: int) -> Sequence[Lease]:
        """Own up to `limit` rooms that are due and that nobody alive owns, longest due first."""
        ...

    async def take(
        self, lease: Lease, limit: int = 100, *, after_seq: int = 0
    ) -> Sequence[Arrival]:
        """The room's unhandled events in order, without removing them: those after `after_seq`."""
        ...

    async def count_crash(self, lease: Lease, seq: int) -> int:
        """Handling the event crashed once more; returns how often. Raises LeaseLost."""
        ...

    async def reasons(self, room_id: RoomId) -> dict[EventId, str]:
        """Why the room's handled events were answered, or were not."""
        ...

    async def finish(self, lease: Lease, seq: int, *, reason: str, room: Room | None) -> int:
        """The event is handled: one commit with the room's new state (None: the old one).

        Returns the room's doubts: above 0, it should look back. Raises LeaseLost.
        """
        ...

    async def note(self, lease: Lease, event_id: EventId, reason: str) -> None:
        """Something was decided later about an event that had been handled. Raises LeaseLost."""
        ...

    async def set_aside(self, lease: Lease, seq: int, *, problem: str) -> None:
        """The event crashes us: keep it as poison and go on. Raises LeaseLost."""
        ...

    async def release(self, lease: Lease, *, retry_in_ms: int | None) -> None:
        """Give the room back; it is due again in `retry_in_ms`, or at once if events came."""
        ...

    async def next_wake_in_ms(self) -> int | None:
        """How long until the next unowned room is due (0: it is), or None."""
        ...


class Lookback(Protocol):
    """Rooms that should compare their timeline with their inbox. See `bridge.store.lookback`."""

    async def doubt(self) -> int:
        """Let the recently active rooms look back; returns how many."""
        ...

    async def doubts(self, lease: Lease) -> int:
        """Above 0: the room should look back before it goes on."""
        ...

    async def waiting(self, lease: Lease) -> int:
        """How many events of the room are not handled yet."""
        ...

    async def catch_up(
        self, lease: Lease, seen: Delivery, *, answered: Collection[EventId], doubts: int
    ) -> Sequence[EventId]:
        """Put what never reached us among what waits, in the order of the timeline `seen`, which
        was asked for after so many `doubts`. Returns what that was. Raises LeaseLost."""
        ...


class Workers(Protocol):
    """Who works, and the rooms of the dead. See `bridge.store.workers`."""

    @property
    def lost(self) -> asyncio.Event:
        """Set when the proof that this life lives has gone: others take its rooms now."""
        ...

    async def begin(self, ttl_ms: int) -> WorkerId:
        """A new life, with an id that nobody had before. Rooms of the dead are freed at once."""
        ...

    async def beat(self, worker_id: WorkerId, ttl_ms: int) -> bool:
        """Renew the worker's lease. False: it ran out or was taken, and this life is over."""
        ...

    async def free_dead(self, worker_id: WorkerId) -> int:
        """Free the rooms of workers that are dead or overslept; returns how many workers."""
        ...

    async def end(self, worker_id: WorkerId) -> None:
        """Give all rooms of this worker back, to be claimed at once by others. Idempotent."""
        ...

    async def count_peers(self, worker_id: WorkerId) -> int:
        """Other workers whose lease runs."""
        ...


class Outbox(Protocol):
    async def plan(
        self,
        lease: Lease,
        turn: Turn,
        effects: Sequence[tuple[str, Effect]],
        *,
        goes_on: bool = False,
    ) -> Sequence[Planned]:
        """Commit effects (ordinal, effect) of a turn and move the turn to `speaking`, unless it
        goes on thinking.

        A row that exists is kept as it is: the stored content is the truth, never made again.
        Returns the turn's rows in the order they were planned. Raises LeaseLost.
        """
        ...

    async def of_turn(self, turn_id: TurnId) -> Sequence[Planned]:
        """The turn's rows in the order they were planned."""
        ...

    async def mark_sent(
        self, lease: Lease, txn_id: TxnId, event_id: EventId, said: Said | None
    ) -> None:
        """It is on the homeserver; `said` joins the history in the same commit. Idempotent."""
        ...

    async def abandon(self, lease: Lease, txn_id: TxnId, *, problem: str) -> None:
        """It can never be sent."""
        ...


class Turns(Protocol):
    async def open(self, lease: Lease, turn: Turn) -> Turn:
        """Store the turn, or return the stored one of the same id. Raises LeaseLost."""
        ...

    async def move(self, lease: Lease, turn_id: TurnId, state: TurnState) -> None:
        """Change its state, as `domain.turn.LEGAL` allows; the same state again is nothing."""
        ...

    async def open_turns(self, lease: Lease) -> Sequence[Turn]: ...

    async def record_use(
        self,
        turn_id: TurnId,
        *,
        model: str,
        prompt_tokens: int,
        reply_tokens: int,
        context_messages: int = 0,
    ) -> None: ...

    async def used(self, room_id: RoomId, since: int) -> Used:
        """What the room's turns since then (unix ms) came to."""
        ...

    async def spent(self, person: UserId, room_id: RoomId) -> Spending:
        """What this person, this room and this person's server took up to now."""
        ...

    async def behind(self, room_id: RoomId, event_id: EventId) -> Turn | None:
        """The turn that said this event of ours."""
        ...

    async def answering(self, room_id: RoomId, cause_id: EventId) -> Turn | None:
        """The first turn that replied to this event, where one did."""
        ...


class Rooms(Protocol):
    async def get(self, room_id: RoomId) -> Room:
        """The room as stored, or a new one of which nothing is known."""
        ...

    async def put(self, lease: Lease, room: Room) -> None:
        """Store the room. Raises LeaseLost."""
        ...

    async def count_joined(self) -> int:
        """Rooms that any puppet of ours is joined to."""
        ...

    async def count_invites(
        self, inviter: UserId, since: int, *, apart_from: EventId | None = None
    ) -> int:
        """Other invites by this person that were accepted since then (unix ms)."""
        ...

    async def note_invite(self, lease: Lease, inviter: UserId, event_id: EventId) -> None:
        """Count an accepted invite once, by its event."""
        ...

    async def direct(self) -> Sequence[Room]:
        """DMs, without their members: the most recently changed first."""
        ...

    async def of_puppet(self, user_id: UserId) -> Sequence[RoomId]: ...


class History(Protocol):
    async def add(self, lease: Lease, said: Said) -> None:
        """Append; the same event again changes nothing. Raises LeaseLost."""
        ...

    async def recent(self, room_id: RoomId, *, from_seq: int, limit: int) -> Sequence[Said]:
        """The newest `limit` context messages with `seq >= from_seq`, oldest first."""
        ...

    async def seen_by(
        self, room_id: RoomId, person: UserId, *, below_seq: int | None, limit: int
    ) -> Sequence[Said]:
        """The newest `limit` messages with `seq < below_seq` that this person may see, and any
        model may be shown, newest first."""
        ...

    async def get(self, event_id: EventId) -> Said | None: ...

    async def describe(self, lease: Lease, event_id: EventId, text: str) -> None:
        """An image or a voice message was put in words. What was forgotten stays so."""
        ...

    async def forget(self, lease: Lease, event_id: EventId) -> int:
        """Remove the text of an event from every table; returns how many rows changed."""
        ...

    async def amend(self, lease: Lease, event_id: EventId, text: str) -> None:
        """Replace the text by an edit's, in every table that holds it."""
        ...

    async def prune(self, before: int) -> int:
        """Delete room text older than `before` (unix ms); returns rows deleted."""
        ...


class People(Protocol):
    """Persons who want to be forgotten. See `bridge.store.people`."""

    async def forget(self, lease: Lease, person: UserId, command: EventId) -> Erased:
        """Erase what a person wrote before this command, and our answers to it, in all rooms.

        May be done early and again: the counts are those of all times together. Raises LeaseLost.
        """
        ...

    async def opted_out(self, people: Collection[UserId]) -> frozenset[UserId]:
        """Those of them whose words no model is shown."""
        ...

    async def opt(self, lease: Lease, person: UserId, *, out: bool) -> None:
        """From now on leave a person's words out, or show them again. Raises LeaseLost."""
        ...

    async def is_bot(self, person: UserId, since: int) -> bool | None:
        """What the profile said when it was looked at, if that was since then (unix ms)."""
        ...

    async def note_profile(self, person: UserId, *, is_bot: bool) -> None:
        """The profile was looked at."""
        ...


class Pulls(Protocol):
    """Downloads of models that admins began. See `bridge.store.pulls`."""

    async def begin(self, lease: Lease, pull: Pull) -> Pull:
        """Store it, or return the one that is there: the same, or another one of this model on this
        server that is open. Raises LeaseLost."""
        ...

    async def claim(self, worker_id: WorkerId) -> Sequence[Pull]:
        """Own the open pulls that no living worker owns."""
        ...

    async def note(self, pull_id: str, *, done_bytes: int, total_bytes: int) -> None:
        """How far it is."""
        ...

    async def end(self, pull_id: str, state: PullState) -> None:
        """It is over. Idempotent."""
        ...

    async def newest(self, server: str, model: str) -> Pull | None:
        """The last one of this model on this server, whatever came of it."""
        ...


class Summaries(Protocol):
    """What was said in rooms before their windows. See `bridge.store.summaries`."""

    async def get(self, room_id: RoomId) -> Summary | None: ...

    async def put(self, lease: Lease, summary: Summary, sources: Collection[EventId]) -> bool:
        """Replace the room's summary; False where something of it may have been taken back.

        Raises LeaseLost.
        """
        ...


class ToolCalls(Protocol):
    """Calls of tools, kept with their turns. See `bridge.store.tool_calls`."""

    async def begin(self, lease: Lease, use: ToolUse) -> None:
        """Store a call before it runs, or with its result where it never does. One that is stored
        stays as it is. Raises LeaseLost."""
        ...

    async def end(self, lease: Lease, use: ToolUse) -> None:
        """It has its result. Raises LeaseLost."""
        ...

    async def of_turn(self, turn_id: TurnId) -> Sequence[ToolUse]:
        """In the order they were made. What they gave is known only while the turn thinks."""
        ...


class PuppetMemory(Protocol):
    """What was done for each puppet, so that a start changes only what changed."""

    async def get(self, puppet_id: PuppetId) -> PuppetRecord | None: ...

    async def put(self, record: PuppetRecord) -> None: ...


class Store(Protocol):
    """All of the above on one database."""

    @property
    def workers(self) -> Workers: ...
    @property
    def mailbox(self) -> Mailbox: ...
    @property
    def lookback(self) -> Lookback: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def turns(self) -> Turns: ...
    @property
    def rooms(self) -> Rooms: ...
    @property
    def history(self) -> History: ...
    @property
    def people(self) -> People: ...
    @property
    def summaries(self) -> Summaries: ...
    @property
    def tool_calls(self) -> ToolCalls: ...
    @property
    def pulls(self) -> Pulls: ...
