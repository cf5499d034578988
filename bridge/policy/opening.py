"""How a message begins: whom it calls by name. "Luna, …", "hey Luna and Nova: …", "露娜，…"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.domain.ids import PuppetId
from bridge.policy.names import MAX_CHARS, Called, fold, name_at

GREETINGS: Final = tuple(
    fold(words)
    for words in (
        *("hi", "hey", "hello", "hi there", "hey there", "hello there", "ok", "okay", "dear"),
        *("good morning", "good afternoon", "good evening", "good night", "bonjour", "ciao", "olá"),
        *("hallo", "moin", "servus", "guten morgen", "guten tag", "guten abend", "gute nacht"),
        *("hola", "oye", "buenas", "buenos días", "buenas tardes", "buenas noches", "привет"),
        *(
            "你好",
            "您好",
            "嗨",
            "喂",
            "嘿",
            "哈喽",
            "哈囉",
            "早",
            "早上好",
            "早安",
            "晚上好",
            "晚安",
        ),
        *(
            "こんにちは",
            "こんばんは",
            "おはよう",
            "おはようございます",
            "ねえ",
            "ねぇ",
            "おい",
            "やあ",
        ),
        *("يا", "مرحبا", "مرحبا يا", "أهلا", "أهلا يا", "السلام عليكم", "صباح الخير", "مساء الخير"),
    )
)
AND: Final = ("and", "und", "y", "e", "et", "и", "和", "与", "跟", "と", "و")

_MAX_GREETINGS: Final = 3
_LEAD: Final = re.compile(r"[\s¿¡]*")
_PAUSE: Final = re.compile(r"[\s,،、!~¿¡]*")
_STRONG_LINK: Final = re.compile(
    r"[\s,،、]*(?:(?<=[\s,])(?:and|und|y|e|et|и|و)\s+|(?<=\s)و|[&+]\s*|(?:和|与|跟|と)\s*)"
)
_WEAK_LINK: Final = re.compile(r"\s*[,،、]\s*|\s+")
_CALL_SIGNS: Final = " \t\n,:;!，：；！、،؛"
_ABOUT: Final = re.compile(
    r"[^\S\n]+(?:"
    r"(?:is|was|are|were|has|had|have|does|did|isn't|wasn't|doesn't|didn't)(?![^\S\n]+(?:it|this|that|"
    r"there|these|those|he|she|we|they|you|i|any\w+|some\w+|every\w+)\b)"
    r"|says|said|seems|knows|thinks|thought|likes|loves|told|wrote|answered|ist|war|sind|waren|hat|hatte|"
    r"haben|keeps|needs|wants|gets|goes|comes|looks|sounds|works|talks|speaks|helps|writes|went|nervt|"
    r"redet|schreibt|spricht|and (?:i|we|he|she|they)|"
    r"haben|sagt|sagte|meint|meinte|weiß|es|está|era|fue|son|dice|dijo|tiene|sabe)\b"
    r"(?![^\S\n]+(?:es|das|dies\w*|er|sie|wir|ihr|da|hier|jemand|du)\b)"
)
"""What is said of somebody, right behind the name."""
_ABOUT_CJK: Final = re.compile(
    r"[说說是很在对對有真会會]|[がをに]|\s*(?:قالت|قال|كانت|كان|هي|هو)\b"
)
"""The same where no space stands between."""
_ASKS: Final = re.compile(r"[?？؟]|\b(?:you|your|du|dich|dir|dein\w*|ihr|euch|tú|tu|usted)\b")
_BEFORE_A_CALL: Final = re.compile(
    r"^(?:so|well|please|but|and|now|hmm|thanks|sag mal|sag|na|also|bitte|und|aber|a ver|bueno|pues"
    r"|por favor|y|请问|請問|请|請|那|あの|えっと|طيب|لو سمحت)[\s,，、]*|[.!?。！？]\s*"
)
_SET_OFF: Final = re.compile(r"\s*[,:，：、،]")
_LIST_END: Final = re.compile(r"[^\S\n]*(?:[,:;!?،、؛؟。…—\n-]|\Z)")


def after_greeting(words: str) -> tuple[int, ...]:
    """The places where the first name may stand: the start, or behind "hey", "hey, hello", …"""
    at = _end(_LEAD, words, 0)
    places = [at]
    while len(places) <= _MAX_GREETINGS and (greeting := name_at(words, at, GREETINGS)):
        at = _end(_PAUSE, words, greeting.end)
        places.append(at)
    return tuple(places)


def called_first(words: str, names: Mapping[PuppetId, tuple[str, ...]]) -> dict[PuppetId, Called]:
    """The puppets that the text begins by calling, in that order.

    Names joined by a word or by `@` are all called. A name behind a mere comma is only called where
    the list ends there: "Luna, Nova: …" calls both, "Luna, Nova is wrong" only Luna.
    """
    listed: list[tuple[PuppetId, Called, bool]] = []
    place = next((p for p in after_greeting(words) if _puppet_at(words, p, names)), len(words))
    is_sure = True
    while found := _puppet_at(words, place, names):
        puppet_id, called = found
        listed.append((puppet_id, called, is_sure or words.startswith("@", place)))
        place, is_sure = _next_place(words, called.end)
    if not listed:
        return _called_within(words, names)
    if not _LIST_END.match(words, listed[-1][1].end):
        while len(listed) > 1 and not listed[-1][2]:
            listed.pop()
    if listed and _is_about(words, listed[-1][1].end):
        return {}
    return {puppet_id: called for puppet_id, called, _ in listed}


def _called_within(words: str, names: Mapping[PuppetId, tuple[str, ...]]) -> dict[PuppetId, Called]:
    """Who is called behind a word like "so", or at the start of a later sentence: "Hi all! Luna,
    …". Only a name that is set off by punctuation, which a name that is talked about is not."""
    for place in _BEFORE_A_CALL.finditer(words):
        found = _puppet_at(words, place.end(), names)
        if found and _SET_OFF.match(words, found[1].end):
            return dict([found])
    return {}


def _is_about(words: str, end: int) -> bool:
    """Does a statement about whoever is named follow: "Luna is great", "Luna hat recht"?"""
    if _ASKS.search(words):
        return False
    return _ABOUT.match(words, end) is not None or _ABOUT_CJK.match(words, end) is not None


def without_call(text: str, names: Mapping[PuppetId, tuple[str, ...]]) -> str:
    """The text without the names that it begins by calling; a greeting before them stays."""
    words = fold(text[:MAX_CHARS])
    called = called_first(words, names).values()
    if not called:
        return text
    start = _unfolded(text, min(name.start for name in called))
    end = _unfolded(text, max(name.end for name in called))
    return f"{text[:start].strip()} {text[end:].lstrip(_CALL_SIGNS)}".strip()


def _unfolded(text: str, at: int) -> int:
    """Where in the text stands what is at this place when it is folded."""
    return next((n for n in range(len(text)) if len(fold(text[:n])) >= at), len(text))


def _puppet_at(
    words: str, at: int, names: Mapping[PuppetId, tuple[str, ...]]
) -> tuple[PuppetId, Called] | None:
    candidates = (
        (puppet_id, called)
        for puppet_id, own in names.items()
        if (called := name_at(words, at, own)) is not None
    )
    return max(candidates, key=lambda candidate: len(candidate[1].name), default=None)


def _next_place(words: str, end: int) -> tuple[int, bool]:
    """Where the next name of a list would stand, and whether a word joins it to the last."""
    if strong := _STRONG_LINK.match(words, end):
        return strong.end(), True
    weak = _WEAK_LINK.match(words, end)
    return (weak.end(), False) if weak else (len(words), False)


def _end(pattern: re.Pattern[str], words: str, at: int) -> int:
    match = pattern.match(words, at)
    return match.end() if match else at
