"""What a server has read of a room stays as it was, so that only what is new is read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os.path import commonprefix
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.history import Said
from bridge.domain.ids import RoomId, UserId
from bridge.domain.prompt import Prompt
from bridge.domain.room import Member, Room, with_member
from bridge.policy.context import build_prompt, build_question, build_summary, next_window
from bridge.policy.gate import choices
from tests.policy.test_context import (
    LUNA,
    NOVA,
    make_house,
    make_room,
    puppet_says,
    say,
    transcript,
)

WINDOW = 12
SUMMARY = "They planned a picnic."
Kind = Literal["say", "answer", "rename", "join", "leave", "edit", "redact"]


@dataclass(frozen=True)
class Step:
    kind: Kind
    who: int = 0
    of: int = 0


STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(
            ["say", "say", "say", "answer", "rename", "join", "leave", "edit", "redact"]
        ),
        who=st.integers(0, 2),
        of=st.integers(0, 20),
    ),
    min_size=5,
    max_size=60,
)


@dataclass
class Chat:
    """A room that goes on. `epoch` counts what may make a server read old lines again."""

    room: Room = field(default_factory=make_room)
    said: list[Said] = field(default_factory=list[Said])
    window_from: int = 0
    epoch: int = 0
    count: int = 0
    names: list[str] = field(default_factory=lambda: ["Ana", "Ben", "Cleo"])
    gone: set[str] = field(default_factory=set[str])

    def do(self, step: Step) -> None:
        match step.kind:
            case "say" | "answer":
                self._say(step)
            case "rename":
                self.names[step.who] += "!"
            case "join" | "leave":
                person = UserId(f"@p{step.of}:example.org")
                self.room = with_member(
                    self.room, Member(user_id=person, membership=step.kind, display_name="P")
                )
            case "edit" | "redact" if self.said:
                self._take_back(step)
            case _:
                pass

    def prompt(self, turn: int) -> Prompt:
        puppet = (LUNA, NOVA)[turn % 2]
        lines = [line for line in self.said if line.seq >= self.window_from]
        summary = SUMMARY if self.window_from else ""
        if turn % 5 == 3:
            options = choices([LUNA.puppet_id, NOVA.puppet_id])
            return build_question(
                house=make_house(), room=self.room, said=lines, options=options, summary=summary
            )
        if turn % 7 == 4:
            return build_summary(
                house=make_house(), room=self.room, puppet=puppet, said=lines,
                upto=lines[-1].seq, summary=summary,
            )  # fmt: skip
        return build_prompt(
            house=make_house(), room=self.room, puppet=puppet, said=lines, cause=lines[-1],
            summary=summary,
        )  # fmt: skip

    def _say(self, step: Step) -> None:
        self.count += 1
        text = f"word{self.count:03}"
        if step.kind == "answer":
            line = puppet_says(self.count, text)
        else:
            line = say(self.count, text, sender=f"p{step.who}", name=self.names[step.who])
        self.said.append(line)
        window_from = next_window(self.said, self.window_from, WINDOW)
        self.epoch += window_from != self.window_from
        self.window_from = window_from

    def _take_back(self, step: Step) -> None:
        n = len(self.said) - 1 - step.of % len(self.said)
        line = self.said[n]
        self.gone.add(line.text)
        self.epoch += 1
        if step.kind == "redact":
            del self.said[n]
        else:
            self.count += 1
            self.said[n] = replace(line, text=f"edit{self.count:03}")


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_within_an_epoch_a_prompt_only_grows(steps: list[Step]) -> None:
    chat, before, epoch = Chat(), None, -1
    for turn, step in enumerate(steps):
        chat.do(step)
        if not [line for line in chat.said if line.seq >= chat.window_from]:
            before = None
            continue
        prompt = chat.prompt(turn)
        if before is not None and chat.epoch == epoch:
            assert prompt.system == before.system
            assert transcript(prompt).startswith(transcript(before))
        before, epoch = prompt, chat.epoch


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_what_was_redacted_or_edited_is_in_no_prompt(steps: list[Step]) -> None:
    chat = Chat()
    for turn, step in enumerate(steps):
        chat.do(step)
        if [line for line in chat.said if line.seq >= chat.window_from]:
            prompt = chat.prompt(turn)
            assert not [word for word in chat.gone if word in prompt.system + prompt.user]


def test_rooms_share_what_they_have_in_common_where_the_server_can_use_that() -> None:
    one, other = make_room(name="Lounge"), make_room(name="Kitchen", cared_for=("@a:b",))
    line = say(1, "hello")
    prompts = [
        build_prompt(house=make_house(), room=room, puppet=LUNA, said=[line], cause=line)
        for room in (one, replace(other, room_id=RoomId("!kitchen:example.org")))
    ]
    alike = commonprefix([prompt.system_shared_first for prompt in prompts])
    assert len(alike) > 0.8 * len(prompts[0].system)
    assert len(commonprefix([prompt.system for prompt in prompts])) < 20
    for prompt in prompts:
        assert sorted(prompt.system.split("\n\n")) == sorted(
            prompt.system_shared_first.split("\n\n")
        )


def test_a_new_name_is_used_from_then_on_and_changes_no_old_line() -> None:
    first, second = say(1, "hello", name="Ana"), say(2, "again", name="Anna")
    old = build_prompt(house=make_house(), room=make_room(), puppet=LUNA, said=[first], cause=first)
    new = build_prompt(
        house=make_house(), room=make_room(), puppet=LUNA, said=[first, second], cause=second
    )
    assert transcript(new).startswith(transcript(old))
    assert "Anna (human)" in transcript(new)
