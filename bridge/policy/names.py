"""Names in a text: what of it are the sender's own words, and where a name stands in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

PLACE: Final = "\ufffc"
"""Stands where a quote, a span of code or a link was, so that nothing moves to the start."""

MAX_CHARS: Final = 4000
"""Nobody is addressed later in a text than this."""

_UNSEEN: Final = re.compile(r"[\u0610-\u061a\u0640\u064b-\u065f\u0670\ufe0e\ufe0f]")
"""Arabic vowel signs and stretching, and variation selectors: written or not, the same name."""
_NEWLINE: Final = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_FENCED: Final = re.compile(r"^[ \t]*(```+|~~~+)[\s\S]*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE)
_QUOTED_LINE: Final = re.compile(r"^[ \t]*>.*(?:\n|\Z)", re.MULTILINE)
_CODE: Final = re.compile(r"(?<!`)(`{1,3})(?!`)[^\n]{1,1000}?(?<!`)\1(?!`)")
_MATRIX_LINK: Final = re.compile(
    r"\[[^\]\n]{0,200}\]\(<?(?:https://matrix\.to/#/(?=@|%40)|matrix:u/)([^\s)>?/]{1,255})[^\s)]*\)"
)
_LINK: Final = re.compile(
    r"!?\[[^\]\n]{0,200}\]\([^)\n]{0,1000}\)"
    r"|<?(?:\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.|\bmatrix:(?:u|r|roomid)/)\S+"
)
_QUOTED: Final = re.compile(
    r"\"[^\"\n]{1,1000}\""
    r"|[“”„‟][^“”„‟\n]{1,1000}[“”‟]"
    r"|[«»][^«»\n]{1,1000}[«»]"
    r"|[‹›][^‹›\n]{1,1000}[‹›]"
    r"|(?<!\w)[‘‚][^‘’‚\n]{1,1000}[‘’](?!\w)"
    r"|(?<!\w)'[^'\n]{1,1000}'(?!\w)"
    r"|「[^」\n]{1,1000}」|『[^』\n]{1,1000}』|《[^》\n]{1,1000}》|〈[^〉\n]{1,1000}〉"
)
_EMPHASIS: Final = re.compile(r"[*~]+|(?<!\w)_+|_+(?!\w)")

_HONORIFIC: Final = re.compile(r"(?:さん|ちゃん|くん|さま|様|君|씨|님|야|아)?")
_APOSTROPHES: Final = "'’ʼ`"
_HYPHENS: Final = "-‐‑·・•"
_ADDRESS_SIGNS: Final = "./@\\=#"
_SPACELESS: Final = frozenset({"CJK", "IDEOGRAPHIC", "HIRAGANA", "THAI", "LAO", "KHMER", "MYANMAR"})
"""Scripts that put no space between words, where a name ends cannot be seen."""
_BESIDE_OTHERS: Final = _SPACELESS | {"KATAKANA", "HANGUL"}
"""Scripts that follow another script's word without a space."""
_OTHER_SERVER: Final = re.compile(r":(?:\[|localhost\b|(?:[a-z0-9-]+\.)+[a-z0-9-]+|[a-z0-9-]+:\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A name that stands in a text."""

    name: str
    start: int
    end: int


def fold(text: str) -> str:
    """The text so that two spellings of one name become equal."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _NEWLINE.sub("\n", text.replace("´", "'")))
        text = unicodedata.normalize("NFKC", text.casefold())
        text = _UNSEEN.sub("", text)
        return "".join(
            c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf"}
        )
    return _NEWLINE.sub("\n", text).casefold()


def own_words(text: str) -> str:
    """What the sender says, folded: without quotes, code and links, which are others' words."""
    words = fold(text[:MAX_CHARS])
    words = _FENCED.sub("", words)
    words = _QUOTED_LINE.sub("", words)
    words = _CODE.sub(PLACE, words)
    words = _MATRIX_LINK.sub(lambda link: _user_id(link.group(1)), words)
    words = _LINK.sub(PLACE, words)
    words = _QUOTED.sub(PLACE, words)
    return _EMPHASIS.sub("", words).strip()


def name_at(words: str, at: int, names: Iterable[str]) -> Called | None:
    """The longest of the (folded) names that stands at this place, honorific included.

    An `@` and the brackets that some clients put around a mention belong to it.
    """
    start = at
    has_sign = words.startswith("@", start)
    start += has_sign
    has_bracket = words.startswith("[", start)
    start += has_bracket
    for name in sorted(names, key=len, reverse=True):
        if not name or not words.startswith(name, start):
            continue
        end = start + len(name)
        if has_bracket and words.startswith("]", end):
            return Called(name=name, start=at, end=end + 1)
        if has_sign and ":" not in name and _OTHER_SERVER.match(words, end):
            continue
        for stop in (end, _end_of_honorific(words, end)):
            if not _goes_on(words, stop):
                return Called(name=name, start=at, end=_end_of_honorific(words, stop))
    return None


def find_name(words: str, names: Sequence[str], at: int = 0) -> Called | None:
    """The first of the names in the text from this place on."""
    spelled = "|".join(re.escape(name) for name in names if name)
    if not spelled:
        return None
    for found in re.compile(rf"@?\[?(?:{spelled})").finditer(words, at):
        start = found.start()
        if start and _are_one_word(words[start - 1], words[start]):
            continue
        if called := name_at(words, start, names):
            return called
    return None


def without_names(words: str, names: Sequence[str]) -> str:
    """The text with a gap wherever one of the names stood."""
    kept: list[str] = []
    at = 0
    while called := find_name(words, names, at):
        kept += [words[at : called.start], " "]
        at = called.end
    return "".join((*kept, words[at:]))


def begins_with(name: str, other: str) -> bool:
    """Is `other` this name, or its first word? Both folded."""
    return name_at(name.removeprefix("@"), 0, (other,)) is not None


def _user_id(linked: str) -> str:
    return "@" + unquote(linked).removeprefix("@") + " "


def _end_of_honorific(words: str, at: int) -> int:
    match = _HONORIFIC.match(words, at)
    return match.end() if match else at


def _goes_on(words: str, end: int) -> bool:
    """Does the word that a name seems to be go on behind it ("Luna" in "Lunar", "Luna's")?"""
    following = words[end : end + 1]
    if not following:
        return False
    behind = words[end + 1 : end + 2]
    if following in _APOSTROPHES or following in _HYPHENS:
        return behind.isalnum()
    if following in _ADDRESS_SIGNS:
        return behind.isalnum() and behind.isascii()
    return _are_one_word(words[end - 1], following)


def _are_one_word(left: str, right: str) -> bool:
    if unicodedata.category(right).startswith("M"):
        return True
    if not (_is_word(left) and _is_word(right)):
        return False
    before, after = _script(left), _script(right)
    if before == after:
        return before not in _SPACELESS
    return before not in _BESIDE_OTHERS and after not in _BESIDE_OTHERS


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


def _script(character: str) -> str:
    """The script's name, "" for what belongs to none, such as digits."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "").split(" ")[0].split("-")[0]
