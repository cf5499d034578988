"""A room's messages as the lines of a prompt, which nobody in the room can forge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain.cast import Cast
from bridge.domain.history import Said
from bridge.domain.ids import EventId
from bridge.policy.control import broken_up
from bridge.policy.invisible import strip_invisible
from bridge.policy.tokens import estimate_tokens

_MAX_NAME_CHARS: Final = 40
_BREAKS: Final = re.compile(r"\s*\n\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the transcript. `tokens` is an estimate."""

    said: Said
    number: int
    text: str
    tokens: float


def transcript_of(said: Sequence[Said], cast: Cast, budget: float) -> list[Line]:
    """The newest lines that fit, cut in steps of half the budget.

    A step begins at the same line whatever comes after it: between two cuts nothing moves.
    """
    step = budget / 2
    lines = _lines([one for one in said if one.is_context and one.text.strip()], cast, step)
    total = sum(line.tokens for line in lines)
    steps: list[int] = []
    before = 0.0
    for line in lines:
        steps.append(int(before / step))
        before += line.tokens
    dropped = 0.0
    first = 0
    while first < len(lines) and total - dropped > budget:
        current = steps[first]
        while first < len(lines) and steps[first] == current:
            dropped += lines[first].tokens
            first += 1
    return lines[first:]


def _lines(said: Sequence[Said], cast: Cast, max_tokens: float) -> list[Line]:
    lines: list[Line] = []
    numbers: dict[EventId, tuple[int, str]] = {}
    base = said[0].seq - 1 if said else 0
    for one in said:
        number = one.seq - base
        author = author_of(one, cast)
        target = numbers.get(one.reply_to) if one.reply_to else None
        reply = f' to="{target[1]}" re={target[0]}' if target else ""
        opener = f'<m id={number} from="{author}"{reply}> '
        text = opener + shorten(quoted(one.text), max_tokens - estimate_tokens(opener) - 1)
        lines.append(Line(said=one, number=number, text=text, tokens=estimate_tokens(text) + 1))
        numbers[one.event_id] = (number, author)
    return lines


def shorten(text: str, max_tokens: float) -> str:
    """The text, or its beginning and end when it is too long: questions stand at the end."""
    tokens = estimate_tokens(text)
    if tokens <= max_tokens:
        return text
    gap = " […] "
    share = max(0.0, (max_tokens - 8) / tokens)
    while True:
        length = int(len(text) * share)
        head, tail = length * 2 // 3, length - length * 2 // 3
        short = text[:head].rstrip() + gap + text[len(text) - tail :].lstrip()
        if length == 0 or estimate_tokens(short) <= max_tokens:
            return short.strip()
        share *= 0.8


def author_of(said: Said, cast: Cast) -> str:
    """The name as in a line's tag, with what its bearer is; nobody can claim that in a name."""
    ours = cast.by_user_id(said.sender) if said.is_ours else None
    # An AI of somebody else may bear the name of one of ours.
    kind = "AI" if said.is_ours else "other AI" if said.is_ai else "human"
    return f"{plain_name(ours.persona.name if ours else said.sender_name)} ({kind})"


def plain_name(name: str) -> str:
    plain = re.sub(r'[<>"“”＜＞\n\t]+', " ", quoted(name))
    plain = re.sub(
        r"(?:\s*[(（]\s*(?:(?:other )?AI|human)\s*[)）])+\s*$", "", plain, flags=re.IGNORECASE
    )
    return " ".join(plain.split())[:_MAX_NAME_CHARS].strip() or "somebody"


def quoted(text: str) -> str:
    """Text of the room on one line that can neither forge a transcript line nor a control token."""
    line = _BREAKS.sub(" / ", strip_invisible(text).strip()).replace("\t", " ")
    return broken_up(line)
