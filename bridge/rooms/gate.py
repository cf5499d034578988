"""Asks the model who, if anybody, should say something unasked."""

from __future__ import annotations

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.decision import Consider, Decision, Silence
from bridge.errors import EngineError
from bridge.policy import reasons
from bridge.policy.context import build_question
from bridge.policy.gate import choices, verdict
from bridge.policy.levels import level_of
from bridge.policy.view import View
from bridge.ports import Engine, Summaries
from bridge.rooms.tokens import Tokens
from bridge.rooms.watch import Watch


class Gate:
    """One call for all puppets of a room together."""

    def __init__(
        self, *, engine: Engine, tokens: Tokens, summaries: Summaries, clock: Clock
    ) -> None:
        self._engine = engine
        self._tokens = tokens
        self._summaries = summaries
        self._clock = clock
        self._log = log.get("rooms.gate")

    async def ask(self, view: View, consider: Consider, watch: Watch) -> Decision:
        """What comes of it. An engine that is away has no opinion."""
        silence = Silence(cause_id=consider.cause_id, reason=reasons.MODEL_SAYS_NOBODY)
        options = choices(consider.puppets)
        text = " ".join(line.text for line in view.recent[-10:])
        house = self._tokens.fit(view.house, "", text)
        summary = await self._summaries.get(view.room.room_id) if view.house.summaries else None
        prompt = build_question(
            house=house,
            room=view.room,
            said=view.recent,
            options=options,
            summary=summary.text if summary else "",
        )
        try:
            chances = await self._engine.choose(prompt, affinity=view.room.room_id)
        except EngineError as error:
            metrics.ENGINE_ERRORS.labels(code=error.code).inc()
            self._log.warning("engine_failed", code=error.code, problem=str(error))
            return silence
        metrics.GATE_CALLS.inc()
        self._log.debug("considered", room=view.room.room_id, score=dict(consider.score))
        if reason := await watch():
            return Silence(cause_id=consider.cause_id, reason=reason)
        puppet = view.house.cast.by_id(consider.puppets[0])
        if puppet is None:
            return silence
        return verdict(consider, view.recent[-1], options, chances, level_of(view, puppet))
