"""Puppets on their homeserver. What the fake answers is what Synapse 1.163 was seen to answer."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image

from bridge.domain.effect import React, Redact, SendText
from bridge.domain.events import Membership, StateChange
from bridge.domain.ids import EventId, RoomId, TxnId
from bridge.domain.vendor import TXN_KEY
from bridge.errors import (
    BadMedia,
    HomeserverError,
    RateLimited,
    Refused,
    TokenRejected,
    Unreachable,
)
from bridge.matrix import homeserver as module
from bridge.matrix import pictures
from bridge.matrix.homeserver import MatrixHomeserver
from tests.matrix.answers import Answer, Answers, refusal
from tests.matrix.making import ALICE, LUNA, NOW, ROOM, event, is_ours, message, puppet, state

V3 = "/client/v3"
IN_ROOM = f"{V3}/rooms/{ROOM}"
TXN = TxnId("turn.0")
HELLO = SendText(text="hello")
SENT = {"event_id": "$sent"}


async def _refused(call: Awaitable[object]) -> HomeserverError:
    with pytest.raises(HomeserverError) as caught:
        await call
    return caught.value


# Requests.


async def test_a_message_is_put_under_its_transaction_id_with_the_device(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("PUT", f"{IN_ROOM}/send/m.room.message/turn.0", SENT)
    assert await homeserver.send(puppet(), ROOM, HELLO, TXN) == "$sent"
    (asked,) = server.asked
    assert asked.content["body"] == "hello"
    assert asked.headers["Authorization"] == "Bearer secret"
    assert asked.query["user_id"] == LUNA
    assert asked.query["device_id"] == "AI_LUNA"


async def test_reactions_and_redactions_have_ways_of_their_own(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("PUT", ".*", SENT)
    target = EventId("$it/+")
    await homeserver.send(puppet(), ROOM, React(target=target, key="👍"), TXN)
    await homeserver.send(puppet(), ROOM, Redact(target=target), TXN)
    paths = [asked.path for asked in server.asked]
    assert paths == [f"{IN_ROOM}/send/m.reaction/turn.0", f"{IN_ROOM}/redact/$it/+/turn.0"]


async def test_puppets_do_not_mix_up_their_names(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("PUT", ".*", SENT)
    for name in ("luna", "nova", "luna"):
        await homeserver.send(puppet(name), ROOM, HELLO, TXN)
    users = [(a.query["user_id"], a.query["device_id"]) for a in server.asked]
    assert users == [
        (LUNA, "AI_LUNA"),
        ("@ai_nova:example.org", "AI_NOVA"),
        (LUNA, "AI_LUNA"),
    ]


async def test_typing_ends_by_itself_and_at_once_when_told(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("PUT", f"{IN_ROOM}/typing/{LUNA}", {})
    await homeserver.type(puppet(), ROOM, is_typing=True)
    await homeserver.type(puppet(), ROOM, is_typing=False)
    contents = [asked.content for asked in server.asked]
    assert contents == [{"typing": True, "timeout": 30_000}, {"typing": False}]


async def test_a_receipt_is_sent_for_the_event(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("POST", rf"{IN_ROOM}/receipt/m.read/\$it", {})
    await homeserver.mark_read(puppet(), ROOM, EventId("$it"))


async def test_a_join_names_the_servers_to_join_by(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    room = RoomId("!without-a-server")
    server.on("POST", f"{V3}/join/{room}", {"room_id": room})
    await homeserver.join(puppet(), room, ["one.example", "two.example:8448"])
    (asked,) = server.asked
    assert asked.query["via"] == "one.example,two.example:8448"
    assert asked.query["server_name"] == asked.query["via"]


async def test_leaving_tells_the_reason(server: Answers, homeserver: MatrixHomeserver) -> None:
    server.on("POST", f"{IN_ROOM}/leave", {})
    await homeserver.leave(puppet(), ROOM, "I am not allowed here.")
    await homeserver.leave(puppet(), ROOM, "")
    assert [a.content for a in server.asked] == [{"reason": "I am not allowed here."}, {}]


async def test_joined_rooms_are_listed(server: Answers, homeserver: MatrixHomeserver) -> None:
    server.on("GET", f"{V3}/joined_rooms", {"joined_rooms": [ROOM]})
    assert await homeserver.joined_rooms(puppet()) == [ROOM]


async def test_an_answer_that_is_no_list_of_rooms_is_not_taken_for_none(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("GET", f"{V3}/joined_rooms", Answer(text="<h1>It works!</h1>"))
    assert isinstance(await _refused(homeserver.joined_rooms(puppet())), Unreachable)


# State.


def _state(*more: object) -> list[object]:
    created = state("m.room.create", {"room_version": "12"})
    joined = event("m.room.member", {"membership": "join"}, state_key=LUNA)
    for each in (created, joined):
        del each["room_id"]
    return [created, joined, *more]


async def test_the_state_is_what_matters_of_it(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    unusable = event("m.room.member", {"membership": "frozen"}, state_key=ALICE)
    pinned = state("m.room.pinned_events", {"pinned": []})
    server.on("GET", f"{IN_ROOM}/state", _state(unusable, pinned))
    found = await homeserver.room_state(puppet(), ROOM)
    assert [type(each) for each in found] == [StateChange, Membership]
    assert {each.room_id for each in found} == {ROOM}


async def test_encryption_is_found_whatever_stands_in_it(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("GET", f"{IN_ROOM}/state", _state(state("m.room.encryption", {"algorithm": [{}]})))
    found = await homeserver.room_state(puppet(), ROOM)
    assert any(isinstance(e, StateChange) and e.type == "m.room.encryption" for e in found)


@pytest.mark.parametrize("content", [[], {}, "x", None, _state()[1:]])
async def test_an_answer_that_is_no_state_is_not_taken_for_an_unencrypted_room(
    server: Answers, homeserver: MatrixHomeserver, content: object
) -> None:
    server.on("GET", f"{IN_ROOM}/state", content)
    assert isinstance(await _refused(homeserver.room_state(puppet(), ROOM)), Unreachable)


# Refusals.

_REFUSALS = [
    (401, "M_UNKNOWN_TOKEN", TokenRejected),
    (401, "M_MISSING_TOKEN", TokenRejected),
    (403, "M_FORBIDDEN", Refused),
    (403, "M_BAD_STATE", Refused),
    (404, "M_NOT_FOUND", Refused),
    (410, "M_GONE", Refused),
    (413, "M_TOO_LARGE", Refused),
    (400, "M_BAD_JSON", Refused),
    (400, "M_UNKNOWN_DEVICE", Refused),
    (500, "M_UNKNOWN", Unreachable),
    (502, "M_UNKNOWN", Unreachable),
    (504, "", Unreachable),
]


@pytest.mark.parametrize(("status", "errcode", "kind"), _REFUSALS)
async def test_every_refusal_has_its_kind(
    server: Answers,
    homeserver: MatrixHomeserver,
    status: int,
    errcode: str,
    kind: type[HomeserverError],
) -> None:
    server.on("PUT", ".*", refusal(status, errcode, "because"))
    error = await _refused(homeserver.send(puppet(), ROOM, HELLO, TXN))
    assert type(error) is kind
    assert (error.status, error.errcode) == (status, errcode)
    assert "secret" not in str(error)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, Unreachable), (408, Unreachable), (503, Unreachable), (413, Refused), (403, Refused)],
)
async def test_a_proxy_that_lost_the_homeserver_is_no_refusal(
    server: Answers, homeserver: MatrixHomeserver, status: int, kind: type[HomeserverError]
) -> None:
    server.on("PUT", ".*", Answer(status=status, text="<h1>nginx</h1>"))
    assert type(await _refused(homeserver.send(puppet(), ROOM, HELLO, TXN))) is kind


@pytest.mark.parametrize(
    ("answer", "wait_ms"),
    [
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=1234), 1234),
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=10**9), 60_000),
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms="soon"), 2_000),
        (refusal(429, "M_LIMIT_EXCEEDED", retry_after_ms=-5), 50),
        (Answer(status=429, text="slow down", headers={"Retry-After": "3"}), 3_000),
        (Answer(status=429, text="", headers={"Retry-After": "Wed, 21 Oct"}), 2_000),
    ],
)
async def test_a_rate_limit_says_how_long_to_wait(
    server: Answers, homeserver: MatrixHomeserver, answer: Answer, wait_ms: int
) -> None:
    server.on("PUT", ".*", answer)
    error = await _refused(homeserver.send(puppet(), ROOM, HELLO, TXN))
    assert isinstance(error, RateLimited)
    assert error.retry_after_ms == wait_ms


@pytest.mark.parametrize("text", ["{}", "[]", "null", "<h1>It works!</h1>", '{"event_id": 5}'])
async def test_an_accepted_event_without_an_id_is_to_be_sent_again(
    server: Answers, homeserver: MatrixHomeserver, text: str
) -> None:
    server.on("PUT", ".*", Answer(text=text))
    error = await _refused(homeserver.send(puppet(), ROOM, HELLO, TXN))
    assert isinstance(error, Unreachable)


async def test_a_homeserver_that_is_away_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        homeserver = MatrixHomeserver(
            url=f"http://127.0.0.1:{taken.getsockname()[1]}", as_token="secret"
        )
        try:
            assert isinstance(await _refused(homeserver.joined_rooms(puppet())), Unreachable)
        finally:
            await homeserver.close()


async def test_a_homeserver_that_hangs_is_unreachable_and_a_join_may_take_longer(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    slow = Answer(content=SENT, delay_s=0.3)
    server.on("POST", ".*", slow)
    server.on("GET", ".*", slow)
    error = await _refused(homeserver.call(puppet(), "GET", "_matrix/x", timeout_s=0.05))
    assert isinstance(error, Unreachable)
    assert "in time" in str(error)
    await homeserver.join(puppet(), ROOM, [])
    assert module.SEND_TIMEOUT_S < 5 < module.JOIN_TIMEOUT_S


async def test_cancelling_a_call_cancels_it(server: Answers, homeserver: MatrixHomeserver) -> None:
    server.on("GET", ".*", Answer(content={}, delay_s=20))
    call = asyncio.create_task(homeserver.joined_rooms(puppet()))
    await server.was_asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_look_back_gives_what_was_since_the_join_the_oldest_first(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    join = event("m.room.member", {"membership": "join"}, state_key=LUNA, sender=LUNA)
    renamed = join | {"unsigned": {"prev_content": {"membership": "join"}}, "event_id": "$name"}
    own = message("mine", **{TXN_KEY: "turn.0"}) | {"sender": LUNA, "event_id": "$own"}
    chunk = [
        message("last") | {"event_id": "$last"},
        own,
        renamed,
        message("first") | {"event_id": "$first"},
        join | {"event_id": "$join"},
        message("before") | {"event_id": "$before"},
    ]
    server.on("GET", f"{IN_ROOM}/messages", {"chunk": chunk, "start": "t1"})
    seen = await homeserver.look_back(puppet(), ROOM, limit=7, now=NOW, is_ours=is_ours)
    assert [each.event_id for each in seen.events] == ["$join", "$first", "$name", "$last"]
    assert [each.event_id for each in seen.echoes] == ["$own"]
    assert {each.received_at for each in seen.events} == {NOW}
    (asked,) = server.asked
    assert (asked.query["dir"], asked.query["limit"]) == ("b", "7")


@pytest.mark.parametrize("answer", [{}, {"chunk": None}, {"chunk": [1, None, {}]}])
async def test_a_look_back_at_nonsense_finds_nothing(
    server: Answers, homeserver: MatrixHomeserver, answer: dict[str, Any]
) -> None:
    server.on("GET", ".*", answer)
    look = homeserver.look_back(puppet(), ROOM, limit=7, now=NOW, is_ours=is_ours)
    if "chunk" in answer and answer["chunk"]:
        seen = await look
        assert not seen.events
        assert len(seen.malformed) == 3
    else:
        assert isinstance(await _refused(look), Unreachable)


@pytest.mark.parametrize(
    ("answer", "is_trouble"),
    [
        (SENT, False),
        (refusal(403, "M_FORBIDDEN"), False),
        (refusal(429, "M_LIMIT_EXCEEDED"), False),
        (refusal(500, "M_UNKNOWN"), True),
        (Answer(status=502, text="<h1>nginx</h1>"), True),
        (refusal(502, "M_CONNECTION_FAILED"), False),
        (Answer(content=SENT, delay_s=0.5), False),
    ],
)
async def test_a_failure_that_may_have_cost_events_is_told(
    server: Answers, homeserver: MatrixHomeserver, answer: Any, is_trouble: bool
) -> None:
    troubles: list[None] = []
    homeserver.on_trouble = lambda: troubles.append(None)
    server.on("GET", ".*", answer)
    with suppress(HomeserverError):
        await homeserver.call(puppet(), "GET", "_matrix/x", timeout_s=0.2)
    assert bool(troubles) is is_trouble


# Beyond the port.


async def test_versions_need_no_token(server: Answers, homeserver: MatrixHomeserver) -> None:
    server.on("GET", "/client/versions", {"versions": ["v1.1", "v1.15"]})
    assert await homeserver.versions() == ["v1.1", "v1.15"]
    assert "Authorization" not in server.asked[0].headers


async def test_a_web_server_is_no_homeserver(server: Answers, homeserver: MatrixHomeserver) -> None:
    server.on("GET", "/client/versions", Answer(text="<h1>It works!</h1>"))
    error = await _refused(homeserver.versions())
    assert "does not answer like a Matrix homeserver" in str(error)


async def test_the_homeservers_clock_is_read_from_its_date(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    date = {"Date": "Tue, 24 Nov 2026 15:52:11 GMT"}
    server.on("GET", "/client/versions", Answer(content={}, headers=date))
    assert await homeserver.server_time() == 1_795_535_531_000
    server.on("GET", "/client/versions", Answer(content={}, headers={"Date": "now"}))
    assert await homeserver.server_time() is None


@pytest.mark.parametrize("has_device", [True, False])
async def test_whoami_asks_with_the_device_only_when_told(
    server: Answers, homeserver: MatrixHomeserver, has_device: bool
) -> None:
    server.on("GET", f"{V3}/account/whoami", lambda asked: dict(asked.query))
    answer = await homeserver.whoami(puppet(), with_device=has_device)
    assert answer.get("device_id") == ("AI_LUNA" if has_device else None)


async def test_a_ping_says_how_long_it_took(server: Answers, homeserver: MatrixHomeserver) -> None:
    server.on("POST", "/client/v1/appservice/ai/ping", {"duration_ms": 4})
    assert await homeserver.ping("ai") == 4
    assert "user_id" not in server.asked[0].query


async def test_a_failed_ping_says_what_the_homeserver_saw(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    seen = refusal(502, "M_CONNECTION_FAILED", "Connection was refused by other side")
    server.on("POST", "/client/v1/appservice/ai/ping", seen)
    error = await _refused(homeserver.ping("ai"))
    assert isinstance(error, Unreachable)
    assert error.errcode == "M_CONNECTION_FAILED"
    assert "Connection was refused by other side" in str(error)


async def test_a_file_is_uploaded_as_it_is(server: Answers, homeserver: MatrixHomeserver) -> None:
    server.on("POST", "/media/v3/upload", {"content_uri": "mxc://example.org/it"})
    mxc = await homeserver.upload(puppet(), "luna.png", b"\x89PNG", "image/png")
    assert mxc == "mxc://example.org/it"
    (asked,) = server.asked
    assert (asked.content, asked.headers["Content-Type"]) == (b"\x89PNG", "image/png")
    assert asked.query["filename"] == "luna.png"


async def test_closing_twice_does_no_harm(server: Answers) -> None:
    homeserver = MatrixHomeserver(url=f"{server.url}/", as_token="secret")
    server.on("GET", "/client/versions", {"versions": ["v1.1"]})
    await homeserver.versions()
    await homeserver.close()
    await homeserver.close()


_CALLS: list[Callable[[MatrixHomeserver], Awaitable[Any]]] = [
    lambda h: h.send(puppet(), ROOM, HELLO, TXN),
    lambda h: h.type(puppet(), ROOM, is_typing=True),
    lambda h: h.mark_read(puppet(), ROOM, EventId("$it")),
    lambda h: h.join(puppet(), ROOM, []),
    lambda h: h.leave(puppet(), ROOM, ""),
    lambda h: h.room_state(puppet(), ROOM),
    lambda h: h.joined_rooms(puppet()),
]


@pytest.mark.parametrize("call", _CALLS)
async def test_every_call_of_a_puppet_carries_its_device_and_fails_as_ours(
    server: Answers,
    homeserver: MatrixHomeserver,
    call: Callable[[MatrixHomeserver], Awaitable[Any]],
) -> None:
    error = await _refused(call(homeserver))
    assert isinstance(error, Refused)
    assert server.asked[0].query["device_id"] == "AI_LUNA"


# Pictures.


async def test_a_picture_is_fetched_as_the_puppet_and_made_small(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (2000, 10)).save(out, "PNG")

    server.on("GET", r"/client/v1/media/download/far\.example/abc", Answer(data=out.getvalue()))
    picture = await homeserver.picture(puppet(), "mxc://far.example/abc")
    assert Image.open(io.BytesIO(picture)).size[0] == 1024
    (asked,) = server.asked
    assert asked.query["user_id"] == LUNA
    assert asked.headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("mxc", ["", "mxc://a", "https://a/b", "mxc://a/../b", "mxc://a/b?c=d"])
async def test_what_is_no_address_of_a_picture_is_never_fetched(
    server: Answers, homeserver: MatrixHomeserver, mxc: str
) -> None:
    with pytest.raises(BadMedia):
        await homeserver.picture(puppet(), mxc)
    assert server.asked == []


async def test_a_picture_that_is_not_there_is_refused(
    server: Answers, homeserver: MatrixHomeserver
) -> None:
    server.on("GET", ".*", refusal(404, "M_NOT_FOUND"))
    assert isinstance(await _refused(homeserver.picture(puppet(), "mxc://a.b/c")), Refused)


async def test_no_more_of_a_picture_is_read_than_is_allowed(
    server: Answers, homeserver: MatrixHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 1000)
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    server.on("GET", ".*", Answer(data=b"\0" * 5_000_000))
    with pytest.raises(BadMedia):
        await homeserver.picture(puppet(), "mxc://a.b/c")
