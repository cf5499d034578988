"""Looks at the pictures of a room and listens to its voice messages, to each once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.events import Media
from bridge.domain.history import Said
from bridge.domain.ids import EventId
from bridge.domain.lease import Lease
from bridge.domain.persona import Puppet
from bridge.domain.prompt import Finished, TextDelta
from bridge.errors import BadMedia, EngineError, HomeserverError
from bridge.policy.media import build_look, described, to_look_at
from bridge.ports import Engine, Homeserver, Store, Transcriber
from bridge.rooms.watch import Watch, unless

_REMEMBERED: Final = 10_000


class Senses:
    """Puts in words what was shown or said aloud, before a puppet replies to it."""

    def __init__(
        self,
        *,
        store: Store,
        homeserver: Homeserver,
        engine: Engine,
        transcriber: Transcriber | None,
        has_eyes: bool,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._store = store
        self._homeserver = homeserver
        self._engine = engine
        self._transcriber = transcriber
        self._kinds = (*(("image",) if has_eyes else ()), *(("audio",) if transcriber else ()))
        self._tried: OrderedDict[EventId, None] = OrderedDict()
        """What cannot be perceived is not tried with every reply."""
        self._log = log.get("rooms.media")

    async def perceive(
        self, lease: Lease, puppet: Puppet, said: Sequence[Said], watch: Watch
    ) -> tuple[Said, ...]:
        """The messages, the newest images and voice messages among them in words, as far as that
        was done before `watch` had a reason against it. Raises LeaseLost.
        """
        found: dict[EventId, Said] = {}
        for line in to_look_at(said, self._kinds):
            if line.media is None or line.event_id in self._tried:
                continue
            self._tried[line.event_id] = None
            if len(self._tried) > _REMEMBERED:
                self._tried.popitem(last=False)
            looking = self._words(lease, puppet, line.event_id, line.media)
            words = await unless(watch, self._clock, looking)
            if words is None:
                self._tried.pop(line.event_id, None)
                break
            if words:
                text = described(line.text, line.media.kind, words)
                await self._store.history.describe(lease, line.event_id, text)
                found[line.event_id] = replace(line, text=text, media=None)
        return tuple(found.get(line.event_id, line) for line in said)

    async def _words(self, lease: Lease, puppet: Puppet, event_id: EventId, media: Media) -> str:
        try:
            if media.kind == "image":
                words = await self._see(lease, puppet, media.mxc)
            else:
                words = await self._hear(puppet, media.mxc)
        except (BadMedia, HomeserverError, EngineError) as error:
            metrics.MEDIA.labels(kind=media.kind, outcome=type(error).__name__).inc()
            self._log.info("media_not_perceived", kind=media.kind, problem=str(error))
            if error.is_transient:
                self._tried.pop(event_id, None)
            return ""
        metrics.MEDIA.labels(kind=media.kind, outcome="perceived" if words else "nothing").inc()
        return words

    async def _hear(self, puppet: Puppet, mxc: str) -> str:
        assert self._transcriber is not None
        return await self._transcriber.transcribe(await self._homeserver.recording(puppet, mxc))

    async def _see(self, lease: Lease, puppet: Puppet, mxc: str) -> str:
        picture = await self._homeserver.picture(puppet, mxc)
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
