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

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_a_scenario_holds(path: Path) -> None:
    scenario = load(path)
    assert failures_of(scenario, await play(scenario)) == []


async def test_a_scenario_fails_when_its_rule_is_taken_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.rooms.actor.interrupts", lambda *_: None)
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


def test_json_is_one_object_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    good = next(path for path in SCENARIOS if path.stem == "addressed-by-mention")
    log.configure("error")
    assert main([good], as_json=True) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert set(found) == {
        "file", "name", "ok", "answers", "ai_messages", "asked_model", "failures",
    }  # fmt: skip
    (answer,) = found["answers"]["1"]
    assert set(answer) == {"puppet", "kind", "reason", "at_s"}
    assert answer["reason"] == "mentioned"
