"""A text as it is read: without Markdown's signs, and with one letter for all that look alike."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

_SIGNS: Final = frozenset("*_~`\\")
"""Emphasis, code and escapes: they are not seen in what clients show."""
_LOOKALIKES: Final[dict[str, str]] = {
    **dict(zip("авекмнорстухіјѕԁԛԝһӏьɡɑıʟ", "abekmhopctyxijsdqwhlbgail", strict=True)),
    **dict(zip("αβεζηικνορτυχμ", "abezhiknoptyxm", strict=True)),
    **dict.fromkeys("꞉∶ː׃ꓽ", ":"),
    **dict.fromkeys("‹❮ᐸ˂⟨〈", "<"),
    **dict.fromkeys("›❯ᐳ˃⟩〉", ">"),
    "\u2800": " ",
}
"""Of Cyrillic and Greek letters, capitals included, and of signs; after case folding."""
_NAME: Final = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o"})


@dataclass(frozen=True, slots=True)
class Read:
    """`text` as it is read; `at` holds each character's place in what was written, and its end."""

    text: str
    at: list[int]


def read(written: str) -> Read:
    """How a text is read, case aside. Lines stay lines."""
    chars: list[str] = []
    at: list[int] = []
    for place, char in enumerate(written):
        for seen in _seen(char):
            chars.append(seen)
            at.append(place)
    at.append(len(written))
    return Read("".join(chars), at)


def name_key(name: str) -> str:
    """Equal for names that cannot be told apart at a glance."""
    return " ".join("".join(map(_seen, name)).translate(_NAME).split())


def _seen(char: str) -> str:
    if char.isascii():
        if char in _SIGNS:
            return ""
        return " " if char == "\t" else char.lower()
    if char.isspace():
        return " "
    plain = unicodedata.normalize("NFKD", char.casefold())
    return "".join(
        _LOOKALIKES.get(c, c) for c in plain if unicodedata.category(c) not in {"Mn", "Me", "Cf"}
    )
