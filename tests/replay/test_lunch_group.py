"""Two days of people talking among themselves, at "balanced", with a model that always wants to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bridge.replay.scenario import load
from bridge.replay.stage import play

LUNCH: Final = Path(__file__).parents[1] / "scenarios/transcripts/lunch-group.yaml"
OPEN_QUESTIONS: Final = {33, 59, 81, 134, 175}
"""What nobody answered."""


async def test_puppets_take_up_open_questions_and_little_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scenario = load(LUNCH)
    played = await play(scenario)
    calls = played.asked_model / len(scenario.messages)
    with capsys.disabled():
        print(
            f"\n{len(scenario.messages)} messages of people, {played.ai_messages} of AIs, "
            f"{played.asked_model} model calls ({calls:.2f} a message), {played.tokens} tokens read"
        )
    answered = {reply.to for reply in played.replies if reply.kind == "text"}
    assert answered <= OPEN_QUESTIONS
    assert 2 <= played.ai_messages <= 10
    assert calls < 0.35
