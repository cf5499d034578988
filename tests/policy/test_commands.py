from __future__ import annotations

import pytest

from bridge.domain.decision import Say
from bridge.domain.events import Message
from bridge.domain.history import Said
from bridge.domain.persona import Puppet
from bridge.domain.room import Room
from bridge.policy import commands, wording
from bridge.policy.addressing import listen
from bridge.policy.obey import obey
from tests.policy.builders import BRIDGE, LUNA, MILO, NOVA, dm, message, room, said, view

OF_LUNA = said(LUNA)


def asked(
    sent: Message | str, of: Room | None = None, *lines: Said, prefix: str = "!ai"
) -> tuple[str, str] | None:
    sent = message(sent) if isinstance(sent, str) else sent
    seen = view(of, *lines, prefix=prefix)
    command = commands.command_in(seen, listen(seen, sent))
    return (command.word, command.puppet.puppet_id) if command else None


def answered(text: str, of: Room | None = None) -> Say:
    seen, sent = view(of), message(text, thread="$root")
    command = commands.command_in(seen, listen(seen, sent))
    assert command
    (said_back,) = obey(seen, sent, command)
    assert isinstance(said_back, Say)
    return said_back


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("!ai help", "help"),
        ("!AI Help", "help"),
        ("!ai", "help"),
        ("  !ai   help  me please", "help"),
        ("!ai help!", "help"),
        ("!ai: help", "help"),
        ("！ai help", "help"),
        ("!ai 帮助", "help"),
        ("!ai帮助", "help"),
        ("!ai ヘルプ", "help"),
        ("!ai privacy", "privacy"),
        ("!ai Datenschutz", "privacy"),
        ("!ai list", "who"),
        ("!ai forget", "forget"),
        ("!ai forget me", "forget"),
        ("!ai vergiss mich", "forget"),
        ("!ai olvídame", "forget"),
        ("!ai 忘记我", "forget"),
        ("!ai 忘れて", "forget"),
        ("!ai انسني", "forget"),
        ("!ai hlep", "unknown"),
        ("> !ai privacy\n\n!ai help", "help"),
    ],
)
def test_a_command_stands_behind_the_prefix(text: str, word: str) -> None:
    assert asked(text) == (word, "luna")


@pytest.mark.parametrize(
    "text", ["!aid help", "!weather", "say !ai help", "`!ai help`", "help", ""]
)
def test_other_texts_are_no_commands(text: str) -> None:
    assert asked(text) is None


@pytest.mark.parametrize(
    ("text", "is_for_another"),
    [
        ("!weather Lisbon", True),
        ("!aid help", True),
        ("!ai help", False),
        ("!!!", False),
        ("! well", False),
        ("!你好", False),
        ("what!", False),
        ("hello", False),
    ],
)
def test_prefixes_of_other_programs(text: str, is_for_another: bool) -> None:
    seen = view()
    assert commands.is_for_another_program(seen, listen(seen, message(text))) is is_for_another


def test_the_operator_chooses_the_prefix() -> None:
    assert asked("/puppets help", prefix="/puppets") == ("help", "luna")
    assert asked("!ai help", prefix="/puppets") is None
    assert asked("?privacy", prefix="?") == ("privacy", "luna")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (message("Luna, help"), ("help", "luna")),
        (message("Luna, help?"), ("help", "luna")),
        (message("@luna help", mentions=[LUNA]), ("help", "luna")),
        (message("help @nova", mentions=[NOVA]), ("help", "nova")),
        (message("Nova: privacy"), ("privacy", "nova")),
        (message("露娜，帮助"), ("help", "luna")),
        (message("Nova, Luna: privacy"), ("privacy", "nova")),
        (message("Luna, forget me!"), ("forget", "luna")),
        (message("@luna vergiss mich", mentions=[LUNA]), ("forget", "luna")),
        (message("露娜，忘记我"), ("forget", "luna")),
        (message("Luna, forget"), None),
        (message("Luna, forget me not"), None),
        (message("forget me", reply_to=OF_LUNA), None),
        (message("Luna, help me with my homework"), None),
        (message("Luna, how is privacy defined?"), None),
        (message("help", reply_to=OF_LUNA), None),
        (message("Bob, help"), None),
    ],
)
def test_a_puppet_can_be_given_a_command_by_name(
    sent: Message, expected: tuple[str, str] | None
) -> None:
    assert asked(sent, None, OF_LUNA) == expected


@pytest.mark.parametrize(
    ("puppets", "text", "expected"),
    [
        ([NOVA, MILO, LUNA], "!ai help", "luna"),
        ([NOVA, MILO], "!ai help", "milo"),
        ([NOVA, BRIDGE], "!ai help", "nova"),
        ([BRIDGE], "!ai help", "bridge"),
    ],
)
def test_one_puppet_answers_for_all(puppets: list[Puppet], text: str, expected: str) -> None:
    assert asked(text, room(puppets=puppets)) == ("help", expected)


def test_the_puppet_replied_to_answers() -> None:
    of_nova = said(NOVA)
    assert asked(message("!ai help", reply_to=of_nova), None, of_nova) == ("help", "nova")


def test_in_a_dm_with_a_character_a_plain_word_is_no_command() -> None:
    assert asked("help", dm()) is None
    assert asked("!ai help", dm()) == ("help", "luna")


@pytest.mark.parametrize("text", ["help", "Help!", "!ai help", "帮助"])
def test_the_bridge_user_takes_plain_words(text: str) -> None:
    assert asked(text, dm(BRIDGE)) == ("help", "bridge")


def test_nobody_answers_where_nobody_is() -> None:
    assert asked("!ai help", room(puppets=[])) is None


@pytest.mark.parametrize(
    ("text", "of", "sentence", "reason"),
    [
        ("!ai help", None, "help", "command_help"),
        ("!ai privacy", None, "privacy", "command_privacy"),
        ("!ai list", None, "bridge_help", "command_who"),
        ("!ai hlep", None, "unknown_command", "command_unknown"),
        ("help", dm(BRIDGE), "bridge_help", "command_help"),
        ("list", dm(BRIDGE), "bridge_help", "command_who"),
        ("privacy", dm(BRIDGE), "privacy", "command_privacy"),
    ],
)
def test_every_command_has_a_sentence(
    text: str, of: Room | None, sentence: str, reason: str
) -> None:
    said_back = answered(text, of)
    assert (said_back.sentence, said_back.reason) == (sentence, reason)
    assert said_back.reply_to == "$message"
    assert said_back.thread_root == "$root"
    assert wording.sentence(said_back.sentence, "en", **dict(said_back.values))


@pytest.mark.parametrize("text", ["forget", "forget me", "olvídame"])
def test_the_bridge_user_needs_no_prefix_to_forget(text: str) -> None:
    assert asked(text, dm(BRIDGE)) == ("forget", "bridge")


def test_an_unknown_command_gets_the_nearest_known_one() -> None:
    assert dict(answered("!ai hlep").values) == {
        "word": "hlep",
        "suggestion": "help",
        "prefix": "!ai",
    }
    assert dict(answered("!ai privcy").values)["suggestion"] == "privacy"
    assert dict(answered("!ai xyzzy").values)["suggestion"] == ""


def test_a_long_unknown_word_is_cut() -> None:
    assert len(dict(answered("!ai " + "x" * 900).values)["word"]) == 40


def test_values_say_who_runs_it_and_for_how_long() -> None:
    values = dict(answered("!ai privacy").values)
    assert values == {"operator": "Example Org", "days": "7", "contact": "", "prefix": "!ai"}


def test_the_list_links_every_character_and_not_the_bridge_user() -> None:
    listed = dict(answered("!ai list").values)["list"].splitlines()
    assert len(listed) == 3
    assert listed[0] == (
        "- [Luna (AI)](https://matrix.to/#/@ai_luna:home.example): Luna \\[of\\] tests"
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [("!ai 帮助 你们是谁", "zh"), ("!ai help", "en"), ("!ai Datenschutz bitte und danke", "de")],
)
def test_the_answer_is_in_the_language_of_the_question(text: str, language: str) -> None:
    assert answered(text).language == language
