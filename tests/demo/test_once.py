"""One message and what came of it, in a room that does as it is told."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator

import pytest
from rich.console import Console

from bridge.demo import once
from bridge.demo.engine_choice import EngineChoice
from bridge.demo.once import Once
from bridge.demo.person import Heard, Person, Typing
from bridge.demo.terminal import Terminal

GUEST, LUNA, NOVA = "@guest:localhost", "@ai_luna:localhost", "@ai_nova:localhost"
NAMES = {LUNA: "Luna (AI)", NOVA: "Nova (AI)"}
QUESTION = "$question"
ENGINE = EngineChoice(kind="ollama", label="gemma3:4b", reason="it is the only one")


def said(sender: str, text: str, *, reply_to: str = QUESTION, is_generated: bool = True) -> Heard:
    return Heard(
        event_id=f"${text}",
        sender=sender,
        text=text,
        reply_to=reply_to,
        is_generated=is_generated,
        is_notice=not is_generated,
    )


class Room(Person):
    """What happens there: before the question, and after it. Then it stays quiet."""

    def __init__(self, *after: Heard | Typing, before: tuple[Heard, ...] = ()) -> None:
        super().__init__("http://127.0.0.1:1")
        self.user_id = GUEST
        self._before = before
        self._after = after

    async def say(self, room_id: str, text: str) -> str:
        return QUESTION

    async def listen(self, room_id: str) -> AsyncGenerator[Heard | Typing | None]:
        for heard in self._before:
            yield heard
        yield None
        yield Heard(
            event_id=QUESTION,
            sender=GUEST,
            text="Luna?",
            reply_to="",
            is_generated=False,
            is_notice=False,
        )
        for what in self._after:
            yield what
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "SIGN_S", 0.05)
    monkeypatch.setattr(once, "_AFTERWARDS_S", 0.05)
    monkeypatch.setattr(once, "ANSWER_S", {"ollama": 0.2})


async def asked(room: Room) -> tuple[int, str, str]:
    """Exit status, transcript, and what was told beside it."""
    terminal = Terminal(is_brief=True)
    transcript, beside = io.StringIO(), io.StringIO()
    terminal.console = Console(file=transcript, width=200)
    terminal.progress = Console(file=beside, width=200)
    status = await Once(terminal, room, "!room", NAMES, ENGINE).say("Luna?")
    return status, transcript.getvalue(), beside.getvalue()


async def test_an_answer_is_shown_with_who_made_it() -> None:
    status, transcript, _ = await asked(Room(Typing(user_ids=(LUNA,)), said(LUNA, "Yes?")))
    assert status == 0
    assert transcript.splitlines() == [
        "You: Luna?",
        "Luna (AI): Yes?",
        "(answered by: gemma3:4b)",
    ]


async def test_everybody_who_was_called_is_waited_for() -> None:
    room = Room(
        said(LUNA, "One."), Typing(user_ids=(NOVA,)), said(NOVA, "Two."), Typing(user_ids=())
    )
    _, transcript, _ = await asked(room)
    assert transcript.index("Luna (AI): One.") < transcript.index("Nova (AI): Two.")


async def test_what_belongs_to_something_else_is_no_answer() -> None:
    room = Room(said(NOVA, "I am an AI.", reply_to=""), before=(said(LUNA, "old", reply_to="$0"),))
    status, transcript, beside = await asked(room)
    assert status == 1
    assert transcript.splitlines() == ["You: Luna?"]
    assert "Nobody answered" in beside
    assert "Luna (AI), Nova (AI)" in beside


async def test_a_member_that_tells_of_a_failure_gave_no_answer() -> None:
    room = Room(said(LUNA, "I cannot think just now.", is_generated=False))
    status, transcript, beside = await asked(room)
    assert status == 1
    assert "Luna (AI): I cannot think just now." in transcript
    assert "answered by" not in transcript
    assert "no answer from gemma3:4b" in beside


async def test_a_member_that_types_for_ever_is_given_up() -> None:
    status, _, beside = await asked(Room(Typing(user_ids=(LUNA,))))
    assert status == 1
    assert "No answer came from gemma3:4b" in beside


async def test_typing_of_people_is_no_sign_of_an_answer() -> None:
    _, _, beside = await asked(Room(Typing(user_ids=("@bob:localhost",))))
    assert "Nobody answered" in beside
