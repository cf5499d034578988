"""The demo's small Matrix client, against a homeserver that says what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bridge.demo.person import Heard, Person, Typing
from bridge.domain.vendor import AI_KEY

ROOM = "!room"
LUNA = "@ai_luna:localhost"


def message(event_id: str, body: str, **content: Any) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "event_id": event_id,
        "sender": LUNA,
        "content": {"msgtype": "m.text", "body": body, **content},
    }


def synced(batch: str, *events: Any, typing: tuple[str, ...] | None = None) -> dict[str, Any]:
    room: dict[str, Any] = {"timeline": {"events": list(events)}}
    if typing is not None:
        content = {"user_ids": list(typing)}
        room["ephemeral"] = {"events": [{"type": "m.typing", "content": content}]}
    return {"next_batch": batch, "rooms": {"join": {ROOM: room}}}


@asynccontextmanager
async def homeserver(*answers: Mapping[str, Any] | int) -> AsyncIterator[str]:
    """Gives these answers to /sync, one after the other; a number is a status."""
    left = list(answers)

    async def sync(_: web.Request) -> web.Response:
        answer = left.pop(0)
        if isinstance(answer, int):
            raise ConnectionResetError
        return web.json_response(answer)

    app = web.Application()
    app.router.add_get("/_matrix/client/v3/sync", sync)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def heard(*answers: Mapping[str, Any] | int, count: int) -> list[Heard | Typing | None]:
    found: list[Heard | Typing | None] = []
    async with homeserver(*answers) as url, Person(url) as person:
        async for what in person.listen(ROOM):
            found.append(what)
            if len(found) == count:
                break
    return found


async def test_what_was_said_before_comes_first_then_a_mark_then_what_is_new() -> None:
    found = await heard(
        synced("1", message("$1", "before")), synced("2", message("$2", "new")), count=3
    )
    assert [what.text if isinstance(what, Heard) else what for what in found] == [
        "before",
        None,
        "new",
    ]


async def test_text_cannot_move_the_cursor_or_turn_itself_around() -> None:
    evil = "a\x1b[2J\x07b\r\x9b1Ac\u202ed\ne\tf"
    (what,) = await heard(synced("1", message("$1", evil)), count=1)
    assert isinstance(what, Heard)
    assert what.text == "a[2Jb1Acd\ne   f"


async def test_a_reply_by_the_engine_is_told_from_a_fixed_sentence() -> None:
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}
    found = await heard(
        synced(
            "1",
            message("$1", "an answer", **{AI_KEY: {"generated": True}}, **reply),
            message("$2", "help", msgtype="m.notice", **{AI_KEY: {"generated": False}}),
        ),
        count=2,
    )
    assert [(w.reply_to, w.is_generated, w.is_notice) for w in found if isinstance(w, Heard)] == [
        ("$0", True, False),
        ("", False, True),
    ]


async def test_an_edit_shows_its_new_text() -> None:
    edit = {
        "m.new_content": {"body": "better"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$0"},
    }
    (what,) = await heard(synced("1", message("$1", "* better", **edit)), count=1)
    assert isinstance(what, Heard)
    assert (what.text, what.is_edit) == ("better", True)


async def test_events_of_strangers_with_any_content_stop_nothing() -> None:
    strange: list[dict[str, Any]] = [
        {"body": 7},
        {"body": "kept 1", "m.relates_to": "no object"},
        {"body": "kept 2", "m.relates_to": {"m.in_reply_to": "no object"}},
        {"body": "kept 3", AI_KEY: "no object"},
        {"body": "kept 4", "m.relates_to": {"rel_type": "m.replace"}, "m.new_content": []},
        {},
    ]
    events = [message("$1", "") | {"content": content} for content in strange]
    found = await heard(synced("1", *events, message("$2", "last")), count=6)
    texts = [what.text for what in found if isinstance(what, Heard)]
    assert texts == ["7", "kept 1", "kept 2", "kept 3", "kept 4", "last"]


async def test_who_types_is_told() -> None:
    found = await heard(synced("1"), synced("2", typing=(LUNA,)), synced("3", typing=()), count=3)
    assert found == [None, Typing(user_ids=(LUNA,)), Typing(user_ids=())]
