"""What one reply costs a homeserver, and how long it takes from its last token."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from bridge.domain.access import Limits
from bridge.domain.prompt import Delta, Finished, Prompt, TextDelta
from bridge.domain.vendor import LIVE_KEY
from bridge.engine.scripted import ScriptedEngine
from bridge.policy.live import is_worth_showing, whole_part
from tests.bench.figure import Figure, percentile
from tests.bench.pipeline import CLOCK, pipeline
from tests.rooms.conftest import ALICE, LUNA

_KB: Final = (
    "The tide comes in twice a day because the moon pulls at the water, and the shore is only a "
    "line that the sea has agreed to for now. "
)


class _Timed(ScriptedEngine):
    """Notes when each reply was asked for, and when its last token came."""

    ended_s: float = 0.0
    began_ms: int = 0
    showable_ms: int = 0

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        self.began_ms, self.showable_ms = CLOCK.now(), 0
        draft = ""
        async for delta in super().stream(prompt, affinity=affinity):
            if isinstance(delta, Finished):
                self.ended_s = time.monotonic()
            elif isinstance(delta, TextDelta) and not self.showable_ms:
                draft += delta.text
                if is_worth_showing(whole_part(draft), ""):
                    self.showable_ms = CLOCK.now()
            yield delta


async def figures(url: str, kind: str, count: int) -> AsyncIterator[Figure]:
    long = " ".join(f"{_KB}({n})" for n in range(40))[:1000]
    lines = [f"{n}: {long}"[:1000] for n in range(count + 1)]
    engine = _Timed({LUNA.puppet_id: lines}, CLOCK)
    waits_ms: list[float] = []
    async with pipeline(url, engine) as bridge:
        home = bridge.homeserver
        send = home.send

        async def accept(*args: Any) -> Any:
            accepted = await send(*args)
            waits_ms.append((time.monotonic() - engine.ended_s) * 1000)
            return accepted

        room_id = await bridge.room()
        await _until(lambda: len(_own(home, room_id)) >= 1)
        home.send = accept  # type: ignore[method-assign]
        before = len(_own(home, room_id))
        for n in range(count):
            await home.say(room_id, ALICE, f"Luna, tell me more about {n}?")
            await _until(lambda n=n: len(_own(home, room_id)) > before + n)
        events = _own(home, room_id)[before:]
    sizes = [len(json.dumps(event["content"], ensure_ascii=False).encode()) for event in events]
    yield Figure(
        name=f"reply: last token to acceptance p50 ({kind})",
        value=percentile(waits_ms, 0.5),
        unit="ms",
    )
    yield Figure(name=f"reply: events for 1 kB ({kind})", value=len(events) / count, unit="events")
    yield Figure(
        name=f"reply: content for 1 kB ({kind})", value=sum(sizes) / len(sizes), unit="bytes"
    )


async def figures_live(url: str, kind: str, count: int, haste: int = 5) -> AsyncIterator[Figure]:
    """The same reply, written so slowly that people see it grow; `haste` times as fast as life."""
    plain = "".join(f"{n}. {_KB}" for n in range(40))
    rich = "".join(f"- **{n}.** {_KB}\n" for n in range(40))
    limits = Limits(burst_ms=0, live_after_ms=4_000 // haste, live_every_ms=2_500 // haste)
    texts = {"plain": plain, "formatted": rich}
    lines = [f"So {n}:\n\n{text}"[:1000] for text in texts.values() for n in range(count)]
    engine = _Timed({LUNA.puppet_id: lines}, CLOCK)
    async with pipeline(url, engine, limits=limits) as bridge:
        home = bridge.homeserver
        room_id = await bridge.room()
        await _until(lambda: len(_own(home, room_id)) >= 1)
        for looks in texts:
            events: list[dict[str, Any]] = []
            late_ms: list[float] = []
            for n in range(count):
                engine.pace_s = 30 / haste / len(lines[n].split())
                before = len(_own(home, room_id))
                await home.say(room_id, ALICE, f"Luna, tell me more about {n}?")
                await _until(lambda at=before: any(map(_is_last, _own(home, room_id)[at:])))
                own = _own(home, room_id)[before:]
                due = engine.began_ms + (limits.live_after_ms or 0)
                late_ms.append(own[0]["origin_server_ts"] - max(due, engine.showable_ms))
                events += own
            sizes = [len(json.dumps(e["content"], ensure_ascii=False).encode()) for e in events]
            for what, value, unit in (
                ("events for 1 kB", len(events) / count, "events"),
                ("content for 1 kB", sum(sizes) / count, "bytes"),
                ("its first part from when it may be shown p50", percentile(late_ms, 0.5), "ms"),
            ):
                name = f"{looks} reply shown live: {what} ({kind})"
                yield Figure(name=name, value=value, unit=unit)


def _is_last(event: dict[str, Any]) -> bool:
    new = event["content"].get("m.new_content")
    return new is not None and LIVE_KEY not in new


def _own(home: Any, room_id: Any) -> list[dict[str, Any]]:
    return [event for event in home.timeline(room_id) if event["sender"] == LUNA.user_id
            and event["type"] == "m.room.message"]  # fmt: skip


async def _until(is_so: Any, patience_s: float = 20.0) -> None:
    give_up_at_s = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > give_up_at_s:
            raise TimeoutError("the bridge did not answer")
        await asyncio.sleep(0.002)
