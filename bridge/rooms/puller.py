"""Downloads of models, in the background: what admins began is brought to its end and told them.

A download belongs to a life of a worker. When that ends, the next one goes on with it: an Ollama
continues where it stopped. What is told goes to the room as an event of our own (`News`), whose id
is the same whenever the same is told, so nothing is told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock, within
from bridge.domain.cast import Cast
from bridge.domain.events import Delivery, News
from bridge.domain.ids import EventId, WorkerId
from bridge.domain.model import Pull, PullProgress, PullState
from bridge.errors import (
    DatabaseError,
    DiskFull,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    LibraryUnreachable,
    ModelMissing,
)
from bridge.policy.operating import duration_of, progress_of, size_of
from bridge.ports import Mailbox, ModelKeeper, Pulls

ATTEMPTS: Final = 5
"""Of one download, before an admin has to say again that they want it."""
LIMIT_S: Final = 24 * 3600.0
"""What takes longer is given up."""
MILESTONES: Final = (25, 50, 75)
LONG_MS: Final = 60_000
"""Only a download that takes longer than this is told of on its way."""
_LOOK_S: Final = 30.0
_BEGAN_MS: Final = 5_000
_NOTE_MS: Final = 10_000
_RETRY_S: Final = 1.0
_FIRST_PAUSE_S: Final = 5.0

Values = Sequence[tuple[str, str]]


@dataclass(slots=True)
class _Journey:
    """A download under way. Instants in unix ms."""

    pull: Pull
    noted_at: int = 0
    has_begun: bool = False
    milestone: int = 0
    progress: PullProgress = PullProgress(status="")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    sentence: str
    state: PullState
    values: tuple[tuple[str, str], ...] = ()


class Puller:
    """Belongs to a worker."""

    def __init__(
        self,
        *,
        pulls: Pulls,
        mailbox: Mailbox,
        keeper: ModelKeeper,
        cast: Cast,
        prefix: str,
        clock: Clock,
    ) -> None:
        self._pulls = pulls
        self._mailbox = mailbox
        self._keeper = keeper
        self._cast = cast
        self._prefix = prefix
        self._clock = clock
        self._wake = asyncio.Event()
        self._under_way = 0
        self._log = log.get("rooms.puller")

    @property
    def is_working(self) -> bool:
        return self._under_way > 0 or self._wake.is_set()

    def wake(self) -> None:
        """A download was begun: look at once."""
        self._wake.set()

    async def run(self, worker_id: WorkerId) -> None:
        """Do what was begun, here or by a worker that has gone, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    claimed = await self._pulls.claim(worker_id)
                except DatabaseError as error:
                    self._log.warning("database_unavailable", problem=str(error))
                    claimed = ()
                for pull in claimed:
                    self._under_way += 1
                    group.create_task(self._carry(pull), name="pull")
                await self._clock.wait(self._wake, _LOOK_S)

    async def _carry(self, pull: Pull) -> None:
        try:
            outcome = await self._outcome_of(pull)
            values = (("model", pull.model), ("server", pull.server), *outcome.values)
            # Told first: where this life ends in between, it is told once more, under the same id.
            await self._tell(pull, "end", outcome.sentence, values)
            await self._surely(lambda: self._pulls.end(pull.pull_id, outcome.state))
            metrics.PULLS.labels(outcome=outcome.state).inc()
        finally:
            self._under_way -= 1

    async def _outcome_of(self, pull: Pull) -> _Outcome:
        journey = _Journey(pull)
        try:
            return await within(self._clock, LIMIT_S, self._try(journey))
        except TimeoutError:
            problem: EngineError = EngineTimeout(f"it took longer than {LIMIT_S / 3600:.0f} h")
        except EngineError as error:
            problem = error
        except Exception as error:  # a download must not end the worker
            self._log.exception("pull_crashed", server=pull.server, model=pull.model)
            problem = EngineBroken(type(error).__name__)
        self._log.warning(
            "pull_failed", server=pull.server, model=pull.model, code=problem.code,
            problem=str(problem),
        )  # fmt: skip
        told = (("problem", str(problem)), ("prefix", self._prefix))
        return _Outcome(sentence=_sentence_for(problem), state="failed", values=told)

    async def _try(self, journey: _Journey) -> _Outcome:
        """Raises EngineError."""
        pull, attempt = journey.pull, 1
        while True:
            try:
                if await self._keeper.has(pull.server, pull.model):
                    # One that was under way when its worker went may have come to its end there.
                    was_under_way = attempt > 1 or pull.total_bytes > 0
                    return self._arrived(pull) if was_under_way else _there()
                await self._follow(journey)
                return self._arrived(pull)
            except EngineError as error:
                # Where nothing was got, whoever asked waits: they can see to it and ask again.
                is_early = pull.total_bytes == 0 and not journey.has_begun
                if not error.is_transient or is_early or attempt >= ATTEMPTS:
                    raise
                self._log.info("pull_retried", server=pull.server, problem=str(error))
            await self._clock.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
            attempt += 1

    def _arrived(self, pull: Pull) -> _Outcome:
        took_ms = self._clock.now() - pull.started_at
        self._log.info("pulled", server=pull.server, model=pull.model, took_ms=took_ms)
        time = ("time", duration_of(took_ms))
        return _Outcome(sentence="pull_done", state="done", values=(time,))

    async def _follow(self, journey: _Journey) -> None:
        pull = journey.pull
        self._log.info("pulling", server=pull.server, model=pull.model)
        async with aclosing(self._keeper.pull(pull.server, pull.model)) as steps:
            async for step in steps:
                journey.progress = step
                await self._report(journey)

    async def _report(self, journey: _Journey) -> None:
        """Tell that it began, and each milestone of a long one, and note how far it is."""
        pull, step, now = journey.pull, journey.progress, self._clock.now()
        long_ms = now - pull.started_at
        if not journey.has_begun and (step.total_bytes or long_ms >= _BEGAN_MS):
            journey.has_begun = True
            size = ("size", size_of(step.total_bytes))
            values = (("model", pull.model), ("server", pull.server), size)
            await self._tell(pull, "began", "pull_began", values)
        passed = max((m for m in MILESTONES if m <= step.percent), default=0)
        if long_ms >= LONG_MS and passed > journey.milestone and not step.is_done:
            journey.milestone = passed
            await self._tell(pull, str(passed), "pull_at", progress_of(pull.model, step))
        if step.total_bytes and now - journey.noted_at >= _NOTE_MS:
            journey.noted_at = now
            await self._surely(
                lambda: self._pulls.note(
                    pull.pull_id, done_bytes=step.done_bytes, total_bytes=step.total_bytes
                )
            )

    async def _tell(self, pull: Pull, what: str, sentence: str, values: Values) -> None:
        puppet = self._cast.by_id(pull.puppet_id)
        if puppet is None:
            return
        now = self._clock.now()
        news = News(
            event_id=EventId(f"~pull~{pull.pull_id}~{what}"),
            room_id=pull.room_id,
            sender=puppet.user_id,
            sent_at=now,
            received_at=now,
            puppet_id=pull.puppet_id,
            sentence=sentence,
            values=tuple((key, value) for key, value in values),
            reply_to=pull.cause_id,
        )
        await self._surely(lambda: self._mailbox.deliver(Delivery(events=(news,))))

    async def _surely(self, write: Callable[[], Awaitable[object]]) -> None:
        """Until it succeeds: the database may be away for a while."""
        while True:
            try:
                await write()
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
                await self._clock.sleep(_RETRY_S)
            else:
                return


def _there() -> _Outcome:
    return _Outcome(sentence="pull_there", state="done")


def _sentence_for(error: EngineError) -> str:
    match error:
        case ModelMissing():
            return "pull_no_model"
        case DiskFull():
            return "pull_disk_full"
        case LibraryUnreachable():
            return "pull_no_library"
        case EngineUnreachable():
            return "pull_unreachable"
        case _:
            return "pull_failed"
