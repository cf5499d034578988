"""Texts that no reply may recite, and a reply without the sentences that do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from bridge.policy.lookalike import read

ECHO_WORDS: Final = 8
"""So many words running from the card or the rules are an echo of them."""
_ECHO_CJK: Final = 16
"""The same for scripts without spaces, in characters."""
_KEY_LETTERS: Final = 8

_SENTENCE: Final = re.compile(
    r"[^\n]+?(?:[.!?…؟]+[\"'”’»)\]*_]*(?=\s|\Z)|[。！？]+[」』”’）]*|(?=\n)|\Z)[ \t]*|\n"
)
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


class Secrets:
    """Texts that are not to be recited."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._known: dict[str, list[str]] = {}
        """The letters of every run that is too long, by the first of them."""
        for text in texts:
            words = [match.group() for match in _WORD.finditer(text)]
            for run in _runs(words, [_letters(word)[0] for word in words]):
                if len(run) >= _KEY_LETTERS:
                    self._known.setdefault(run[:_KEY_LETTERS], []).append(run)

    def left_out_of(self, text: str) -> str:
        """The text without the sentences that recite one.

        Letters alone are compared: neither spelling it out, nor a list of its words, nor letters
        that only look the same hide it.
        """
        if not self._known:
            return text
        letters, places = _letters(text)
        echoes = [
            (places[n], places[n + len(run) - 1])
            for n in range(len(letters) - _KEY_LETTERS + 1)
            for run in self._known.get(letters[n : n + _KEY_LETTERS], ())
            if letters.startswith(run, n)
        ]
        if not echoes:
            return text
        kept = (
            s.group()
            for s in _SENTENCE.finditer(text)
            if not any(start < s.end() and s.start() <= end for start, end in echoes)
        )
        return "".join(kept).strip()


def _letters(text: str) -> tuple[str, list[int]]:
    """The letters as they are read, with their places. Digits are left out: they number lists."""
    seen = read(text)
    found = [(char, seen.at[n]) for n, char in enumerate(seen.text) if char.isalpha()]
    return "".join(char for char, _ in found), [place for _, place in found]


def _runs(words: Sequence[str], letters: Sequence[str]) -> Iterator[str]:
    """The letters of every run of words that is long enough to recognise a text by."""
    for n in range(len(words) - ECHO_WORDS + 1):
        length = ECHO_WORDS
        if sum(map(_is_cjk, words[n : n + ECHO_WORDS])) > ECHO_WORDS // 2:
            length = _ECHO_CJK
        if n + length <= len(words):
            yield "".join(letters[n : n + length])


def _is_cjk(word: str) -> bool:
    return len(word) == 1 and "\u3040" <= word <= "\ud7af"
