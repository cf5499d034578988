"""Does a text ask something, or speak to somebody? By its form alone, in six languages."""

from __future__ import annotations

import re
from typing import Final

_MARKS: Final = ("?", "？", "؟")
_CLOSING: Final = " \t\n\"'”’)»」』!…~.*_"

_OPENERS: Final = re.compile(
    r"(?:"
    r"who|whom|whose|what|what's|whats|which|when(?! (?:i|we|he|she|they|it)\b)|where|why|how"
    r"|how's|is|are|am|was|were|do|does"
    r"|did|can|could|would|will|should|shall|may|has|have|any|anybody|anyone|tell me|show me"
    r"|explain|and you|wer|wen|wem|wessen|was|welche[rsnm]?|wann|wo|woher|wohin|warum|wieso|weshalb"
    r"|wie|wieviel|ist|sind|hat|haben|kann|kannst|könnt|könnte|könntest|soll|sollen|darf|weißt"
    r"|weiss|erzähl|erklär|und du|quién|quiénes|qué|cuál|cuáles|cuándo|dónde|adónde|por qué|cómo"
    r"|cuánto|cuántos|cuántas|puedes|puede|podrías|sabes|hay|y tú|y vos"
    r")\b"
)
_CJK_QUESTIONS: Final = re.compile(
    r"(?:什么|什麼|谁|誰|哪|怎么|怎麼|为什么|為什麼|为何|多少|几|幾|吗|嗎|呢|是不是|能不能|有没有|有沒有"
    r"|何(?!も)|なに(?!も)|なん|だれ|どこ|いつ|なぜ|どうして|どう|いくら|いくつ|どれ|どの|ですか|ますか|かな|の[?？])"
)
_CJK_END: Final = re.compile(r"(?:吗|嗎|呢|か|かな|の)$")
_ARABIC: Final = re.compile(
    r"(?:^|\s)(?:ماذا|متى|أين|لماذا|كيف|كم|هل|أي|أيمكن)(?:\s|$)|^ما (?:هذ|هو|هي|رأي|معنى|الفرق)"
)
_THANKS: Final = re.compile(
    r"\b(?:thanks|thank you|thx|danke|gracias)\b|谢谢|謝謝|多谢|ありがと|شكرا"
)
_SECOND_PERSON: Final = re.compile(
    r"\b(?:you|your|yours|yourself|you're|u|ur|du|dich|dir|dein|deine[rnms]?|tú|te|ti|tu|tus|vos"
    r"|usted|contigo)\b"
)
_SECOND_PERSON_ELSEWHERE: Final = (
    "你",
    "您",
    "妳",
    "あなた",
    "君は",
    "君の",
    "きみ",
    "أنت",
    "انت",
    "لك",
)


def is_question(words: str) -> bool:
    """Has it the form of a question? Expects folded words."""
    ending = words.rstrip(_CLOSING)
    if not ending:
        return False
    if ending.endswith(_MARKS) or any(mark in words for mark in _MARKS):
        return True
    start = words.lstrip(" ¿¡\ufffc,")
    return bool(
        _OPENERS.match(start)
        or _CJK_QUESTIONS.search(words)
        or _CJK_END.search(ending)
        or _ARABIC.search(words)
    )


def is_thanks(words: str) -> bool:
    """Does it thank, and ask nothing? Expects folded words."""
    return _THANKS.search(words) is not None and not any(mark in words for mark in _MARKS)


def speaks_to_somebody(words: str) -> bool:
    """Does it use the second person? Expects folded words."""
    return _SECOND_PERSON.search(words) is not None or any(
        word in words for word in _SECOND_PERSON_ELSEWHERE
    )
