"""Code in a Markdown text: where its blocks and spans are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_FENCE: Final = re.compile(r"([ \t]*)(`{3,}(?=[^`\n]*$)|~{3,})")
_CODE_SPAN: Final = re.compile(r"(?<!`)(`+)(?!`)[^\n]+?(?<!`)\1(?!`)")

Range = tuple[int, int]


def code_ranges(text: str) -> list[Range]:
    """Where closed code blocks and code spans are."""
    return block_ranges(text) + [span.span() for span in _CODE_SPAN.finditer(text)]


def block_ranges(text: str) -> list[Range]:
    """Where the lines of closed code blocks are.

    A line that is indented less than its fence is left out: it may end the list that the block
    stands in, and with it the block.
    """
    ranges: list[Range] = []
    inside: list[Range] = []
    position = 0
    fence = indent = ""
    for line in text.split("\n"):
        place = (position, position + len(line) + 1)
        position = place[1]
        match = _FENCE.match(line)
        if not fence:
            if match:
                indent, fence = match.group(1), match.group(2)
                inside = [place]
        elif match and _closes(line, match, fence):
            ranges += [*inside, place]
            fence = ""
        elif line.startswith(indent) or not line.strip():
            inside.append(place)
    return ranges


def open_fence(text: str) -> str:
    """The fence that a code block was opened with and that nothing closes, or ""."""
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if match is None:
            continue
        if not fence:
            fence = match.group(2)
        elif _closes(line, match, fence):
            fence = ""
    return fence


def is_within(position: int, ranges: Sequence[Range]) -> bool:
    return any(start <= position < end for start, end in ranges)


def _closes(line: str, match: re.Match[str], fence: str) -> bool:
    return match.group(2).startswith(fence) and not line.strip().strip(fence[0])
