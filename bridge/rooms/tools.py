"""Letting a model use tools before it answers: ask, run what may run, tell it, ask again.

Every call is stored before it runs, by the room's owner. After a crash a turn goes on from what is
stored, so nothing is done twice; what was under way counts as done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge import log, metrics
from bridge.clock import Clock, within
from bridge.domain.prompt import Finished, Prompt
from bridge.domain.tool import Asking, Step, Tool, ToolCall, ToolResult, ToolUse
from bridge.errors import BridgeError, LeaseLost, ToolFailed
from bridge.policy import tools as policy
from bridge.policy.view import House
from bridge.ports import ToolCalls, ToolSource
from bridge.rooms.think import Asked, Attempt, Cancelled, Reply, Thought
from bridge.rooms.watch import keep_watching


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A turn, the tools it may use, and which source each is of."""

    asked: Asked
    asking: Asking
    tools: tuple[Tool, ...]
    sources: dict[str, ToolSource]


class ToolLoop:
    """See `bridge.rooms.think.Loop`."""

    def __init__(
        self, *, calls: ToolCalls, sources: Sequence[ToolSource], house: House, clock: Clock
    ) -> None:
        self._calls = calls
        self._sources = sources
        self._house = house
        self._limits = house.tool_limits
        self._clock = clock
        self._log = log.get("rooms.tools")

    async def reply(self, asked: Asked, prompt: Prompt, attempt: Attempt) -> Thought:
        """The reply to the prompt, after as many calls of tools as it takes and may have.

        Its text is all that was said, its counts are those of all attempts.
        """
        work = await self._work(asked)
        if not work.tools:
            return await attempt(prompt)
        uses = list(await self._calls.of_turn(asked.turn_id))
        steps = list(policy.steps_of(uses))
        taken = Finished()
        left_s = self._limits.time_limit_s
        while True:
            may_call = len(steps) < self._limits.max_steps and left_s > 0
            tools = work.tools if may_call else ()
            thought = await attempt(policy.with_tools(prompt, tools, steps))
            if not isinstance(thought, Reply):
                return thought
            taken = policy.both(taken, thought.finished)
            said, calls = policy.calls_in(thought.text, thought.finished.calls, work.tools)
            if not calls or not may_call:
                text = policy.whole(steps, said)
                return replace(thought, text=text, finished=replace(taken, calls=()))
            began_s = self._clock.monotonic()
            made = await self._make(work, said, calls, uses, left_s)
            if isinstance(made, Cancelled):
                return made
            left_s -= self._clock.monotonic() - began_s
            steps.append(made)

    async def _work(self, asked: Asked) -> _Work:
        names = policy.allowed(self._house, asked.puppet, asked.answer, is_private=asked.is_private)
        had = [(t, source) for source in self._sources if names for t in await source.tools()]
        # Of two of one name the first counts: nobody's tool takes the place of a built-in one.
        sources = {tool.name: source for tool, source in reversed(had)}
        known = [tool for tool, source in had if sources[tool.name] is source]
        tools = policy.offered(known, names, self._limits.reserve_tokens)
        asking = Asking(room=asked.room, asker=asked.answer.asker, cause_id=asked.answer.cause_id)
        return _Work(asked=asked, asking=asking, tools=tools, sources=sources)

    async def _make(
        self, work: _Work, said: str, calls: Sequence[ToolCall], uses: list[ToolUse], left_s: float
    ) -> Step | Cancelled:
        """One step, unless there is a reason to give up meanwhile. `uses` gets what was called."""
        making = asyncio.create_task(self._step(work, said, calls, uses, left_s), name="tools")
        watching = asyncio.create_task(keep_watching(work.asked.watch, self._clock), name="watch")
        try:
            await asyncio.wait({making, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not making.done():
                return Cancelled(reason=watching.result())
            return making.result()
        finally:
            making.cancel()
            watching.cancel()
            await asyncio.gather(making, watching, return_exceptions=True)

    async def _step(
        self, work: _Work, said: str, calls: Sequence[ToolCall], uses: list[ToolUse], left_s: float
    ) -> Step:
        number = uses[-1].step + 1 if uses else 0
        until_s = self._clock.monotonic() + left_s
        made: list[ToolUse] = []
        for at, call in enumerate(calls[: 2 * policy.MAX_CALLS]):
            use = ToolUse(
                turn_id=work.asked.turn_id,
                number=len(uses),
                step=number,
                call=replace(call, call_id=call.call_id or f"call_{len(uses)}"),
                result=ToolResult(text="", outcome="running"),
                said="" if made else said,
            )
            if at >= policy.MAX_CALLS:
                use = await self._refuse(work, use, policy.too_many())
            else:
                use = await self._use(work, use, uses, until_s)
            made.append(use)
            uses.append(use)
        return Step(
            said=said,
            calls=tuple(use.call for use in made),
            results=tuple(use.result for use in made),
        )

    async def _use(
        self, work: _Work, use: ToolUse, uses: Sequence[ToolUse], until_s: float
    ) -> ToolUse:
        """Run a call if it may run. Raises LeaseLost."""
        left_s = until_s - self._clock.monotonic()
        ready = policy.prepared(use.call, work.tools, uses)
        if left_s <= 0:
            ready = policy.out_of_time()
        if isinstance(ready, ToolResult):
            return await self._refuse(work, use, ready)
        use = replace(use, call=ready.call)
        await self._calls.begin(work.asked.lease, use)
        text, is_good = await self._run(work, ready, min(left_s, self._limits.call_timeout_s))
        result = ToolResult(
            text=policy.shown(ready.tool.name, text, uses, self._limits.reserve_tokens),
            outcome="ok" if is_good else "failed",
        )
        use = replace(use, result=result)
        await self._calls.end(work.asked.lease, use)
        metrics.TOOL_CALLS.labels(tool=ready.tool.name, outcome=result.outcome).inc()
        return use

    async def _refuse(self, work: _Work, use: ToolUse, result: ToolResult) -> ToolUse:
        known = policy.meant(use.call.name, work.tools)
        use = replace(use, call=policy.refused_call(use.call), result=result)
        await self._calls.begin(work.asked.lease, use)
        metrics.TOOL_CALLS.labels(tool=known.name if known else "unknown", outcome="refused").inc()
        self._log.info("tool_refused", turn=use.turn_id, tool=known.name if known else "unknown")
        return use

    async def _run(self, work: _Work, ready: policy.Ready, timeout_s: float) -> tuple[str, bool]:
        """What the tool gives, and whether it worked."""
        name = ready.tool.name
        call = work.sources[name].call(ready.tool, ready.arguments, work.asking)
        try:
            return await within(self._clock, timeout_s, call), True
        except ToolFailed as error:
            self._log.info("tool_failed", tool=name)
            return str(error), False
        except TimeoutError:
            self._log.warning("tool_timed_out", tool=name, after_s=round(timeout_s, 1))
            return "It took too long.", False
        except LeaseLost:
            raise
        except BridgeError as error:
            self._log.warning("tool_failed", tool=name, problem=type(error).__name__)
            return "It failed.", False
        except Exception as error:  # a tool that crashes must not take the answer with it
            # Without the traceback's values: they may hold what was said.
            self._log.error("tool_crashed", tool=name, problem=type(error).__name__)
            return "It failed.", False
