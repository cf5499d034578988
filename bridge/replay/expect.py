"""What a conversation file expects, held against what came of it. Pure."""

from __future__ import annotations

from bridge.replay.scenario import Expected, Scenario, Wording
from bridge.replay.stage import Played, Reply


def failures_of(scenario: Scenario, played: Played) -> list[str]:
    """One sentence for each expectation that does not hold, in the order of the file."""
    expect = scenario.expect
    failures: list[str] = []
    for number, expected in expect.answers.items():
        failures += _answers(number, expected, played)
    for number, reason in expect.reasons.items():
        if (actual := played.reasons.get(number, "nothing")) != reason:
            failures.append(f"message {number}: the reason was {actual}, not {reason}")
    for what, bounds, count in (
        ("AI messages", expect.ai_messages, played.ai_messages),
        ("model calls", expect.asked_model, played.asked_model),
    ):
        if bounds is not None and not bounds.hold(count):
            failures.append(f"{count} {what}, expected {bounds}")
    for number, wording in expect.text.items():
        texts = [reply.text for reply in played.replies if reply.to == number]
        failures += _wording(f"the answer to message {number}", wording, texts)
    for number, wording in expect.prompt.items():
        failures += _wording(
            f"the prompt for message {number}", wording, played.prompts.get(number, [])
        )
    return failures


def _answers(number: int, expected: tuple[Expected, ...] | str, played: Played) -> list[str]:
    replies = [r for r in played.replies if r.to == number and r.kind in ("text", "reaction")]
    if expected == "none":
        return [f"message {number}: {_names(replies)} answered, nobody should"] if replies else []
    assert isinstance(expected, tuple)
    wanted = [(one.puppet, one.kind) for one in expected]
    counts_reactions = any(kind == "reaction" for _, kind in wanted)
    actual = [(r.puppet, r.kind) for r in replies if r.kind == "text" or counts_reactions]
    if actual == wanted:
        return []
    return [
        f"message {number}: answered by {_pairs(actual)}, expected {_pairs(wanted)} "
        f"(reason: {played.reasons.get(number, 'not handled')})"
    ]


def _wording(where: str, wording: Wording, texts: list[str]) -> list[str]:
    whole = "\n".join(texts)
    if not texts:
        return [f"{where}: there is none"]
    return [f"{where} lacks {word!r}" for word in wording.has if word not in whole] + [
        f"{where} holds {word!r}" for word in wording.lacks if word in whole
    ]


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return ", ".join(n if k == "text" else f"{n} ({k})" for n, k in pairs) or "nobody"


def _names(replies: list[Reply]) -> str:
    return ", ".join(reply.puppet for reply in replies)
