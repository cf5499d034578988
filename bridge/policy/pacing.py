"""When and in what portions a puppet speaks."""

from __future__ import annotations

import re
from typing import Final

_FENCE: Final = re.compile(r"^( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)$")
_SENTENCE: Final = re.compile(r"[.!?…]+[\"'”’»)\]]*[ \t]+|[。！？]+[」』”’）]*")
_MAX_OPENING_CHARS: Final = 80
_FENCES_BYTES: Final = 6 * _MAX_OPENING_CHARS
"""A code block that is cut needs its fences twice: room for both is kept back."""
_MIN_LIMIT_BYTES: Final = 1_000
_LONGEST_TYPING_MS: Final = 4_000


def split(markdown: str, limit_bytes: int) -> list[str]:
    """The text in parts of at most `limit_bytes` (UTF-8, at least 1000), none of them blank.

    Cuts between paragraphs where it can, else lines, sentences, words, characters. A code block
    that is cut is closed and opened again. Nothing but white space at the cuts is lost.
    """
    if limit_bytes < _MIN_LIMIT_BYTES:
        raise ValueError(f"parts of {limit_bytes} bytes are too small")
    parts: list[str] = []
    rest = markdown.strip("\n")
    opening = ""
    while len((opening + rest).encode()) > limit_bytes:
        head, rest = _cut(rest, limit_bytes - _FENCES_BYTES)
        fence = _open_fence(opening + head)
        if fence and (before := _before_bare_fence(head, fence)):
            head, rest, fence = before, f"{fence}\n{rest}", ""
        if head.strip():
            parts.append(opening + head + _closing(fence))
        opening = f"{fence}\n" if fence else ""
        if fence and _closes(rest.partition("\n")[0], fence):
            rest, opening = rest.partition("\n")[2].lstrip("\n"), ""
    if rest.strip() or not parts:
        parts.append(opening + rest)
    return parts


def _cut(text: str, limit_bytes: int) -> tuple[str, str]:
    """The longest well-ended beginning within the limit, and what follows it."""
    head = text.encode()[:limit_bytes].decode(errors="ignore")
    for end in (_last(head, "\n\n"), _last(head, "\n"), _last_sentence(head), _last(head, " ")):
        if end * 2 >= len(head):
            return head[:end].rstrip(), text[end:].lstrip("\n")
    return head, text[len(head) :]


def _last(text: str, mark: str) -> int:
    """Just behind the last mark, 0 without one."""
    return text.rfind(mark) + len(mark) if mark in text else 0


def _last_sentence(text: str) -> int:
    return max((match.end() for match in _SENTENCE.finditer(text)), default=0)


def _open_fence(text: str) -> str:
    """The line that opens a code block which nothing in the text closes, or ""."""
    opened = ""
    for line in text.split("\n"):
        if not opened and _FENCE.match(line):
            opened = line[:_MAX_OPENING_CHARS]
        elif opened and _closes(line, opened):
            opened = ""
    return opened


def _closes(line: str, fence: str) -> bool:
    match = _FENCE.match(line)
    return match is not None and match[2].startswith(_ticks(fence)) and not match[3].strip()


def _closing(fence: str) -> str:
    return f"\n{_ticks(fence)}" if fence else ""


def _ticks(fence: str) -> str:
    return _FENCE.sub(r"\2", fence)


def _before_bare_fence(head: str, fence: str) -> str:
    """What stands before a code block that was opened in the last line and has no code yet."""
    before, _, last = head.rpartition("\n")
    return before.rstrip() if last == fence else ""


def typing_ms(text: str, chars_per_s: float) -> int:
    """How long somebody would type this, within reason; 0 where nobody is to wait."""
    return min(_LONGEST_TYPING_MS, round(len(text) / chars_per_s * 1000)) if chars_per_s else 0
