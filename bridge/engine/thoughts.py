"""Keeps a model's reasoning out of its reply while the reply streams in.

Ollama puts reasoning into a field of its own for models that it knows to think. Others write it
into the text, between `<think>` and `</think>`; some chat templates write the opening mark
themselves, so that the text only has the closing one.
"""

from __future__ import annotations

import re

_MARK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_LONGEST_MARK = len("</thinking>")
_QUOTES = "`\"'\u201c\u201d\u2018\u2019\u00ab"


class ThoughtFilter:
    """Feed it text as it comes; it gives back what people may read.

    A mark right after a quote or backtick is talk about the mark. An opening without a closing
    mark hides everything after it. `is_orphan` turns true at a closing mark that nothing opened:
    what came before was reasoning, and the caller must not use it.
    """

    def __init__(self, *, starts_inside: bool = False) -> None:
        self._pending = ""
        self._last = ""
        self._is_inside = starts_inside
        self._has_begun = False
        self.is_orphan = False

    def feed(self, text: str) -> str:
        self._pending += text
        return self._drain(at_end=False)

    def finish(self) -> str:
        """The rest of what people may read: text held back because it could become a mark."""
        return self._drain(at_end=True)

    def _drain(self, *, at_end: bool) -> str:
        shown: list[str] = []
        while mark := _MARK.search(self._pending):
            self._pass_mark(mark, shown)
        held = 0 if at_end else _held_back(self._pending)
        upto = len(self._pending) - held
        self._show(self._pending[:upto], shown)
        self._pending = self._pending[upto:]
        return "".join(shown)

    def _pass_mark(self, mark: re.Match[str], shown: list[str]) -> None:
        before, is_closing = self._pending[: mark.start()], mark.group(1) == "/"
        self._pending = self._pending[mark.end() :]
        if self._is_inside:
            self._is_inside = not is_closing
            return
        self._show(before, shown)
        if self._last and self._last in _QUOTES:
            self._show(mark.group(), shown)
        elif is_closing:
            self.is_orphan = True
        else:
            self._is_inside = True

    def _show(self, text: str, shown: list[str]) -> None:
        if self._is_inside or not text:
            return
        self._last = text[-1]
        if not self._has_begun:
            text = text.lstrip()
            self._has_begun = bool(text)
        shown.append(text)


def _held_back(text: str) -> int:
    """How many characters at the end could be the beginning of a mark."""
    start = text.rfind("<", max(0, len(text) - _LONGEST_MARK + 1))
    if start < 0:
        return 0
    tail = text[start:].lower()
    is_beginning = any(mark.startswith(tail) for mark in ("<thinking>", "</thinking>"))
    # `<think` and `</think` begin the short marks too, so the long ones cover every beginning.
    return len(tail) if is_beginning else 0
