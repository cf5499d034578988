"""Characters that nobody sees: what of them a text needs, and a text without the others."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_NEWLINES: Final = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_FLAG: Final = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{5}\U000e007f")
"""The flags of England, Scotland and Wales are spelled in tags, which elsewhere hide text."""
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
"""Invisible although Unicode counts them as letters or marks."""
_SEEN: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
"""Format characters that are signs to be seen, as the end of a verse is."""
_SELECTORS: Final = frozenset("\ufe0e\ufe0f")
_JOINERS: Final = "\u200c\u200d"
_JOINING: Final = frozenset(
    {
        "ARABIC", "SYRIAC", "MONGOLIAN", "NKO", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI",
        "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "KHMER", "MYANMAR",
        "TIBETAN", "MEETEI", "BALINESE", "JAVANESE",
    }
)  # fmt: skip
"""Scripts whose letters joiners shape. Between Latin letters they only hide something."""


def strip_invisible(text: str) -> str:
    """Without control, bidi and other invisible characters. Every kind of newline becomes `\\n`.

    What words and emoji are made with stays: joiners where they join, tags in flags.
    """
    text = _NEWLINES.sub("\n", text)
    if text.isascii() and (text.isprintable() or text.replace("\n", "").isprintable()):
        return text
    flags = [flag.span() for flag in _FLAG.finditer(text)]
    kept: list[str] = []
    for at, char in enumerate(text):
        if char in _JOINERS:
            is_kept = _joins(kept, text, at)
        elif _is_invisible(char):
            is_kept = char in _SEEN or any(start < at < end for start, end in flags)
        else:
            is_kept = char not in _SELECTORS or (bool(kept) and kept[-1] not in _SELECTORS)
        if is_kept or char in "\n\t":
            kept.append(char)
    return "".join(kept)


def _is_invisible(char: str) -> bool:
    return (
        unicodedata.category(char) in {"Cc", "Cf", "Cs"}
        or char in _BLANK
        or "\ufe00" <= char <= "\ufe0d"
        or "\U000e0000" <= char <= "\U000e0fff"
        or ord(char) & 0xFFFE == 0xFFFE
    )


def _joins(kept: list[str], text: str, at: int) -> bool:
    """Does the joiner stand behind a letter that it shapes, or between two pictures?"""
    before = next((c for c in reversed(kept) if not unicodedata.category(c).startswith("M")), "")
    after = text[at + 1 : at + 2]
    if not before or kept[-1] in _JOINERS:
        return False
    if _is_picture(before):
        return text[at] == "\u200d" and after != "" and _is_picture(after)
    return _script(before) in _JOINING


def _is_picture(char: str) -> bool:
    """Emoji, and the skin tones that are put on them."""
    return unicodedata.category(char) in {"So", "Sk"} and ord(char) > 0x2000 or char in "♀♂⚕"


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]
