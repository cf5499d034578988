"""A choice by one letter: from the log-probabilities of one token, or from an answer in JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Final, cast

TOP: Final = 20
"""As many alternatives as Ollama tells."""
_JSON_TOKENS: Final = 24


def with_logprobs(body: dict[str, object]) -> dict[str, object]:
    """The body of a chat call that tells how likely each first token is."""
    options = {**cast("dict[str, object]", body["options"]), "num_predict": 1, "temperature": 0}
    return {**body, "stream": False, "options": options, "logprobs": True, "top_logprobs": TOP}


def with_schema(body: dict[str, object], letters: Sequence[str]) -> dict[str, object]:
    """The body of a chat call that can only answer with one of the letters, in JSON."""
    options = {
        **cast("dict[str, object]", body["options"]),
        "num_predict": _JSON_TOKENS,
        "temperature": 0,
    }
    schema = {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": list(letters)}},
        "required": ["choice"],
    }
    return {**body, "stream": False, "options": options, "format": schema}


def chances_of(answer: Mapping[str, object], letters: Sequence[str]) -> dict[str, float] | None:
    """How likely each letter is, or None where the server tells no log-probabilities."""
    listed = answer.get("logprobs")
    if not isinstance(listed, list) or not listed:
        return None
    first = cast("list[object]", listed)[0]
    if not isinstance(first, dict):
        return None
    told = cast("dict[str, object]", first)
    alternatives = told.get("top_logprobs")
    tokens = cast("list[object]", alternatives) if isinstance(alternatives, list) else []
    found = dict.fromkeys(letters, 0.0)
    for each in tokens or [told]:
        if not isinstance(each, dict):
            continue
        token, logprob = (cast("dict[str, object]", each).get(k) for k in ("token", "logprob"))
        if isinstance(token, str) and isinstance(logprob, int | float):
            letter = token.strip().strip("\"'*().").upper()
            if letter in found:
                found[letter] += math.exp(min(0.0, float(logprob)))
    return found


def chosen_of(answer: Mapping[str, object], letters: Sequence[str]) -> dict[str, float]:
    """The letter that an answer in JSON names, as a certainty; {} where it names none."""
    message = answer.get("message")
    content = cast("dict[str, object]", message).get("content") if isinstance(message, dict) else ""
    return letter_in(content, letters) if isinstance(content, str) else {}


def letter_in(content: str, letters: Sequence[str]) -> dict[str, float]:
    """The letter that an answer names, in JSON or alone, as a certainty; {} where it names none."""
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        value = {"choice": content}
    choice = cast("dict[str, object]", value).get("choice") if isinstance(value, dict) else None
    letter = choice.strip().strip("\"'*().").upper() if isinstance(choice, str) else ""
    return {letter: 1.0} if letter in letters else {}
