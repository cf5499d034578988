"""Every conversation file in tests/scenarios, through the real pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge import log
from bridge.replay.expect import failures_of
from bridge.replay.main import main
from bridge.replay.scenario import load
from bridge.replay.stage import play

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").rglob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_a_scenario_holds(path: Path) -> None:
    scenario = load(path)
    assert failures_of(scenario, await play(scenario)) == []


async def test_a_scenario_fails_when_its_rule_is_taken_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.rooms.ahead.interrupts", lambda *_: None)
    path = next(path for path in SCENARIOS if path.stem == "redacted-while-thinking")
    scenario = load(path)
    assert failures_of(scenario, await play(scenario)) != []


def test_the_exit_status_tells_good_failing_and_unusable_files_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = next(path for path in SCENARIOS if path.stem == "addressed-by-mention")
    failing = tmp_path / "failing.yaml"
    failing.write_text(good.read_text().replace("1: [luna]", "1: [nova]"))
    unusable = tmp_path / "unusable.yaml"
    unusable.write_text(good.read_text() + "surprise: true\n")
    assert main([good], as_json=False) == 0
    assert main([failing], as_json=False) == 1
    assert "message 1: answered by luna, expected nova" in capsys.readouterr().out
    assert main([unusable], as_json=False) == 2
    assert f"{unusable}:" in capsys.readouterr().err.replace("\n", "")


async def test_an_answer_in_parts_belongs_as_a_whole_to_its_message(tmp_path: Path) -> None:
    words = " ".join(f"word{number}" for number in range(1_000))
    path = tmp_path / "long.yaml"
    path.write_text(
        "name: long\npeople: [alice]\npuppets: [luna]\n"
        f"says: {{luna: ['{words}']}}\n"
        "messages:\n- {at: 0, from: alice, text: 'Luna, all of it?'}\n"
        "expect:\n  answers: {1: [luna]}\n  text: {1: {has: [word0, word999]}}\n"
    )
    scenario = load(path)
    played = await play(scenario)
    assert failures_of(scenario, played) == []
    assert played.ai_messages == 2


def test_a_reaction_to_a_puppet_that_said_nothing_is_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "reaction.yaml"
    path.write_text(
        "name: nothing\npeople: [alice]\npuppets: [luna]\n"
        "messages:\n- {at: 0, from: alice, react: '🛑', to: nova}\n"
    )
    assert main([path], as_json=False) == 2
    assert f"{path}:5:" in capsys.readouterr().err.replace("\n", "")


async def test_a_membership_of_the_conversation_has_a_reason_too(tmp_path: Path) -> None:
    path = tmp_path / "kick.yaml"
    path.write_text(
        "name: kick\npeople: [alice]\npuppets: [luna]\n"
        "messages:\n- {at: 0, from: alice, event: kick, of: luna}\n"
    )
    assert (await play(load(path))).reasons == {1: "removed"}


def test_json_is_one_object_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    good = next(path for path in SCENARIOS if path.stem == "addressed-by-mention")
    log.configure("error")
    assert main([good], as_json=True) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert set(found) == {
        "file", "name", "ok", "answers", "ai_messages", "asked_model", "tokens",
        "failures",
    }  # fmt: skip
    (answer,) = found["answers"]["1"]
    assert set(answer) == {"puppet", "kind", "reason", "at_s"}
    assert answer["reason"] == "mentioned"
