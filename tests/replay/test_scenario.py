from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import ScenarioError
from bridge.replay.expect import failures_of
from bridge.replay.scenario import Scenario, load
from bridge.replay.stage import Played, Reply

GOOD = """\
name: a question
people: [alice, {name: bob, server: remote.example, power: 50, display: "Bob B."}]
puppets: [luna, {name: nova, aliases: [assistant]}]
messages:
- {at: 0, from: alice, text: hello}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "scenario.yaml"
    path.write_text(text)
    return path


def test_every_key_of_the_format_is_read(tmp_path: Path) -> None:
    scenario = load(
        written(
            tmp_path,
            """\
name: everything
needs: 3
room: {kind: group, level: chatty, public: false, settings: {ai_share: 0.7}}
start: 2026-11-23T18:00:00+01:00
people: [alice, {name: bob, server: remote.example, power: 50, display: "Bob B."}]
puppets: [luna, {name: nova, aliases: [assistant]}]
bots: [rss]
gate: {nova: 0.9}
says: {luna: ["first", "second"]}
engine: {1: down, 2: slow, 3: up}
messages:
- {at: 0, from: alice, text: "Bob, are you coming?", mentions: [bob]}
- {at: 4, from: bob, text: "yes!", reply_to: 1}
- {at: 5, from: bob, text: "yes", edit_of: 2}
- {at: 6, from: rss, text: news, notice: true, late_s: 900}
- {at: 7, from: alice, react: "🛑", to: luna}
- {at: 8, from: alice, redacts: 1}
- {at: 9, from: alice, image: cat.png, thread: 1}
- {at: 10, from: alice, event: kick, of: luna}
- {at: 11, from: alice, text: "!ai help", command: true, restart: during}
until: 60
expect:
  answers: {1: [], 2: none, 3: [luna, {nova: reaction}]}
  reasons: {3: named}
  ai_messages: {max: 1}
  asked_model: {min: 1, max: 1}
  text: {3: {has: ["Lisbon"], lacks: ["<m"]}}
  prompt: {3: {lacks: ["tonight"]}}
""",
        )
    )
    assert scenario.needs == 3
    assert scenario.people[1].display == "Bob B."
    assert scenario.messages[3].arrives_at == 906
    assert scenario.expect.answers[2] == "none"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (GOOD + "- {at: 1, from: alice, txt: hi}\n", 6, "txt"),
        (GOOD + "- {at: 1, from: mallory, text: hi}\n", 6, "mallory"),
        (GOOD + "- {at: 1, from: alice, text: hi, reply_to: 9}\n", 6, "9 is no message"),
        (GOOD + "- {at: 1, from: alice, text: hi, reply_to: 2}\n", 6, "has not come yet"),
        (GOOD + "- {at: 1, from: alice, react: x, to: bob}\n", 6, "bob is no puppet"),
        (GOOD + "expect:\n  answers:\n    2: []\n", 8, "no such message"),
        (GOOD + "expect:\n  answers:\n    1: [alice]\n", 8, "alice is no puppet"),
        (GOOD + "says: {bob: [hi]}\n", 6, "bob is no puppet"),
        (GOOD + "engine: {7: down}\n", 6, "no such message"),
        (GOOD + "name: again\n", 6, ""),
        (GOOD + "- {at: 1, from: alice}\n", 6, "exactly one of"),
        (GOOD + "- {at: soon, from: alice, text: hi}\n", 6, "at"),
        (GOOD + "expects: {}\n", 6, "expects"),
        ("name: [unclosed\n", 2, ""),
        ("- a\n- b\n", 1, "not a conversation"),
    ],
)
def test_a_bad_file_is_refused_with_path_line_and_problem(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ScenarioError) as refusal:
        load(path)
    assert f"{path}:{line}:" in str(refusal.value)
    assert what in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path / "missing.yaml")


def expecting(tmp_path: Path, expect: str) -> Scenario:
    return load(written(tmp_path, GOOD + f"expect: {expect}\n"))


def reply(puppet: str, kind: str = "text", text: str = "hi") -> Reply:
    return Reply(puppet=puppet, kind=kind, text=text, to=1, at_s=1.0)


@pytest.mark.parametrize(
    ("expect", "replies", "holds"),
    [
        ("{answers: {1: [luna]}}", [reply("luna")], True),
        ("{answers: {1: [luna]}}", [], False),
        ("{answers: {1: [luna]}}", [reply("nova")], False),
        ("{answers: {1: [luna, nova]}}", [reply("nova"), reply("luna")], False),
        ("{answers: {1: []}}", [reply("luna", "reaction")], True),
        ("{answers: {1: none}}", [reply("luna", "reaction")], False),
        ("{answers: {1: [{luna: reaction}]}}", [reply("luna", "reaction")], True),
        ("{answers: {1: []}}", [reply("luna", "notice")], True),
        ("{ai_messages: {max: 0}}", [reply("luna")], False),
        ("{text: {1: {has: [fjord]}}}", [reply("luna", text="a fjord")], True),
        ("{text: {1: {lacks: [fjord]}}}", [reply("luna", text="a fjord")], False),
        ("{text: {1: {lacks: [fjord]}}}", [], False),
    ],
)
def test_expectations_are_held_against_what_came_of_it(
    tmp_path: Path, expect: str, replies: list[Reply], holds: bool
) -> None:
    played = Played(
        replies=replies, ai_messages=sum(1 for r in replies if r.kind == "text"), asked_model=1
    )
    assert (failures_of(expecting(tmp_path, expect), played) == []) is holds
