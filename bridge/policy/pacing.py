"""When and in what portions a puppet speaks."""

from __future__ import annotations

import re
from typing import Final

_FENCE: Final = re.compile(r"^( {0,3})(`{3,}|~{3,})(.*)$")
_SENTENCE: Final = re.compile(r"[.!?…。！？]+[\"'”’»)」』]*\s*")


def split(markdown: str, limit_bytes: int) -> list[str]:
    """The text in parts of at most `limit_bytes` (UTF-8), each readable by itself.

    Cuts between paragraphs where it can, else lines, sentences, words, characters. A code block
    that is cut is closed and opened again. Nothing but white space at the cuts is lost.
    """
    parts: list[str] = []
    rest = markdown.strip("\n")
    opening = ""
    while True:
        whole = _joined(opening, rest)
        if len(whole.encode()) <= limit_bytes or not rest:
            return [*parts, whole] if whole or not parts else parts
        # A code block cut in two needs its fences twice: room for both is kept back.
        room = limit_bytes - len(opening.encode()) - 16
        head, rest = _cut(rest, max(room, limit_bytes // 2))
        fence = _open_fence(_joined(opening, head))
        closing = "\n" + _FENCE.sub(r"\1\2", fence) if fence else ""
        parts.append(_joined(opening, head) + closing)
        opening = fence


def _joined(opening: str, text: str) -> str:
    return f"{opening}\n{text}" if opening else text


def _cut(text: str, limit_bytes: int) -> tuple[str, str]:
    """The longest well-ended beginning within the limit, and what follows it."""
    head = text.encode()[:limit_bytes].decode(errors="ignore") or text[0]
    for end in (_last(head, "\n\n"), _last(head, "\n"), _last_sentence(head), _last(head, " ")):
        if end * 2 >= len(head):
            return head[:end].rstrip(), text[end:].lstrip("\n")
    return head, text[len(head) :]


def _last(text: str, mark: str) -> int:
    """Just behind the last mark, 0 without one."""
    found = text.rfind(mark)
    return found + len(mark) if found > 0 else 0


def _last_sentence(text: str) -> int:
    return max((match.end() for match in _SENTENCE.finditer(text)), default=0)


def _open_fence(text: str) -> str:
    """The line that opens a code block which nothing in the text closes, or ""."""
    opened = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if match is None:
            continue
        if not opened:
            opened = line[:80]
        elif match[2].startswith(_FENCE.sub(r"\2", opened)) and not match[3].strip():
            opened = ""
    return opened
