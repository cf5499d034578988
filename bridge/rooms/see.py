"""Looks at the pictures in a room, each once, and puts what is seen in words."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from bridge import log, metrics
from bridge.domain.history import Said
from bridge.domain.ids import EventId
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.prompt import Finished, TextDelta
from bridge.errors import BadPicture, EngineError, HomeserverError
from bridge.policy.pictures import build_look, described, to_look_at
from bridge.ports import Engine, Homeserver, Store

_REMEMBERED: Final = 10_000


class Seer:
    """Describes pictures before a puppet replies to what was said about them."""

    def __init__(
        self, *, store: Store, homeserver: Homeserver, engine: Engine, is_on: bool
    ) -> None:
        self._store = store
        self._homeserver = homeserver
        self._engine = engine
        self._is_on = is_on
        self._tried: OrderedDict[EventId, None] = OrderedDict()
        """What could not be seen is not looked at with every reply."""
        self._log = log.get("rooms.see")

    async def look(self, lease: Lease, puppet: Puppet, said: Sequence[Said]) -> tuple[Said, ...]:
        """The messages, the newest pictures among them described. Raises LeaseLost."""
        if not self._is_on:
            return tuple(said)
        seen: dict[EventId, Said] = {}
        for line in to_look_at(said):
            if line.event_id in self._tried:
                continue
            self._tried[line.event_id] = None
            if len(self._tried) > _REMEMBERED:
                self._tried.popitem(last=False)
            if words := await self._describe(lease, puppet, line):
                text = described(line.text, words)
                await self._store.history.describe(lease, line.event_id, text)
                seen[line.event_id] = replace(line, text=text, picture="")
        return tuple(seen.get(line.event_id, line) for line in said)

    async def _describe(self, lease: Lease, puppet: Puppet, line: Said) -> str:
        try:
            picture = await self._homeserver.picture(puppet, line.picture)
            words = await self._words(lease, picture)
        except (BadPicture, HomeserverError, EngineError) as error:
            metrics.PICTURES.labels(outcome=type(error).__name__).inc()
            self._log.info("picture_not_seen", problem=str(error))
            return ""
        metrics.PICTURES.labels(outcome="seen" if words else "nothing").inc()
        return words

    async def _words(self, lease: Lease, picture: bytes) -> str:
        pieces: list[str] = []
        stream = self._engine.stream(build_look(picture), affinity=lease.room_id)
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                match delta:
                    case TextDelta():
                        pieces.append(delta.text)
                    case Finished():
                        return "".join(pieces)
                    case _:
                        pass
        return ""
