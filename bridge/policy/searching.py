"""Finding messages by their words, in any script, and writing them down for a model."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

from bridge.domain.cast import Cast
from bridge.domain.history import Said
from bridge.policy.transcript import author_of, quoted, shorten

MAX_FOUND: Final = 6
_MAX_WORDS: Final = 12
_LINE_TOKENS: Final = 90
_WORD: Final = re.compile(r"[^\W_]+")


def words_of(query: str) -> tuple[str, ...]:
    """What to look for, as texts are compared."""
    return tuple(dict.fromkeys(_WORD.findall(_comparable(query))))[:_MAX_WORDS]


def found(said: Sequence[Said], words: Sequence[str]) -> list[Said]:
    """The messages that hold most of the words, at least half of them: of equals the newest, in the
    order they were said. Words are found inside of others, because many scripts have no spaces."""
    scored: list[tuple[int, int, Said]] = []
    for one in said:
        text = _comparable(f"{one.sender_name} {one.text}")
        score = sum(word in text for word in words)
        if 2 * score >= len(words) > 0:
            scored.append((score, one.seq, one))
    best = sorted(scored, key=lambda each: each[:2], reverse=True)[:MAX_FOUND]
    return [one for _, _, one in sorted(best, key=lambda each: each[1])]


def listed(said: Sequence[Said], cast: Cast, when: Callable[[int], str]) -> str:
    """Messages as lines, with who said them and when."""
    return "\n".join(
        f"[{when(one.sent_at)}] {author_of(one, cast)}: {shorten(quoted(one.text), _LINE_TOKENS)}"
        for one in said
    )


def _comparable(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
