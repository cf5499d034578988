"""Each rule is needed: without it, some conversation goes otherwise than it should."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.policy import (
    addressing,
    alarm,
    burst,
    decide,
    disliking,
    exchange,
    levels,
    machines,
    obey,
    opening,
    reasons,
    score,
)
from bridge.replay.expect import failures_of
from bridge.replay.scenario import load
from bridge.replay.stage import play
from bridge.rooms import quiet
from bridge.store import history

SCENARIOS: Final = Path(__file__).parents[1] / "scenarios"


async def never(*_: object) -> bool:
    return False


RULES: Final[dict[str, tuple[Any, str, Any, str]]] = {
    "a name at the end calls": (
        addressing, "called_last", lambda *_: {}, "name-at-the-end-en",
    ),
    "a name at the start calls": (
        addressing, "called_first", lambda *_: {}, "addressed-by-name-at-start",
    ),
    "what is said about somebody calls nobody": (
        opening, "_is_about", lambda *_: False, "a-statement-about-somebody",
    ),
    "a follow-up goes on": (
        decide, "followed_up", lambda *_: None, "follow-up-question",
    ),
    "filler is not answered": (
        decide, "is_filler", lambda *_: False, "filler-en",
    ),
    "a burst is one question": (
        decide, "goes_on", lambda *_: False, "burst-name-first",
    ),
    "a burst carries who was asked": (
        decide, "asked_earlier", lambda *_: (), "burst-name-first",
    ),
    "what is apart is no part of a burst": (
        burst, "_is_apart", lambda *_: False, "two-asked-in-a-row",
    ),
    "a stop stops": (
        decide, "stopped_by_words", lambda *_: (), "stop-silences-for-an-hour",
    ),
    "a stop by reaction stops": (
        decide, "stopped_by_reaction", lambda *_: None, "stop-by-reaction",
    ),
    "late messages are context": (
        decide, "_is_late", lambda *_: False, "late-message-is-context-not-a-question",
    ),
    "machines are not people": (
        decide, "is_machine", lambda *_: False, "foreign-ai-is-not-answered-by-name",
    ),
    "who types like a machine is one": (
        machines, "_writes_like_one", lambda *_: False, "a-bot-that-hides-types-too-fast",
    ),
    "machines get few answers": (
        decide, "why_machine_waits", lambda *_: None, "foreign-bot-is-answered-a-few-times",
    ),
    "the silent say nothing": (
        decide, "speakers", lambda view, _: addressing.present(view), "silent-answers-nobody",
    ),
    "only the chosen speak": (
        levels, "is_active", lambda *_: True, "only-chosen-puppets-speak",
    ),
    "speech is worth a score": (
        score, "THRESHOLD", 9.0, "open-question-is-taken-up",
    ),
    "a full share stops unasked speech": (
        alarm, "is_share_full", lambda *_: False, "share-is-full",
    ),
    "quiet hours are quiet": (
        score, "is_quiet_hour", lambda *_: False, "quiet-hours",
    ),
    "the time of day has a say": (
        score, "mood", lambda *_: 0.0, "evening-is-a-time-to-join-in",
    ),
    "a question to somebody is no open one": (
        alarm,
        "_OPEN",
        {reasons.SOMEBODY_ELSE_ADDRESSED},
        "a-question-to-somebody-stays-theirs",
    ),
    "an exchange has to be opened": (
        decide, "opened", lambda *_: None, "exchange-de",
    ),
    "an exchange ends with a person": (
        exchange, "_since", lambda view, _: [s for s in view.recent if s.is_ours],
        "exchange-ended-by-a-person",
    ),
    "commands are obeyed": (
        decide.commands, "command_in", lambda *_: None, "level-by-a-remote-admin",
    ),
    "settings take power": (
        obey, "_refuse", lambda message, puppet: decide.Silence(
            cause_id=message.event_id, reason="x"
        ), "level-without-power",
    ),
    "commands of others are theirs": (
        decide.commands, "is_for_another_program", lambda *_: False, "another-bots-command-by-name",
    ),
    "a thumb down takes back": (
        decide, "disliked", lambda *_: (), "thumbs-down-by-the-asker",
    ),
    "a level never sinks below reply-only": (
        disliking, "one_lower", lambda view, puppet: view.room.settings.__class__(level="silent"),
        "thumbs-down-never-below-reply-only",
    ),
    "words of who opted out are left out": (
        history, "is_opted_out", never, "optout-leaves-words-out",
    ),
    "a machine is known by its mark": (
        machines, "matches", lambda *_: True, "addressed-by-name-at-start",
    ),
}  # fmt: skip


def failures(name: str) -> list[str]:
    path = next(SCENARIOS.rglob(f"{name}.yaml"))
    scenario = load(path)
    return failures_of(scenario, asyncio.run(play(scenario)))


def test_below_reserved_nobody_speaks_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failures("open-question-at-reply-only") == []
    for module in (quiet, score):
        monkeypatch.setattr(module, "level_of", lambda *_: "balanced")
    assert failures("open-question-at-reply-only")


@pytest.mark.parametrize("rule", RULES)
def test_without_the_rule_a_conversation_goes_wrong(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, attribute, replacement, scenario = RULES[rule]
    assert failures(scenario) == []
    monkeypatch.setattr(module, attribute, replacement)
    assert failures(scenario), f"nobody misses the rule: {rule}"
