"""Messages that nobody needs to answer: "lol", "ok", "thanks", an emoji."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from bridge.policy.names import fold

_WORDS: Final = frozenset(
    fold(word)
    for word in (
        *("lol", "lmao", "rofl", "haha", "hahaha", "hehe", "hihi", "xd", "ok", "okay", "k", "kk"),
        *("yes", "yeah", "yep", "yup", "no", "nope", "nah", "sure", "true", "nice", "cool"),
        *("great", "wow", "oh", "ah", "aha", "hm", "hmm", "mhm", "uh", "um", "omg", "brb", "gg"),
        *("afk", "idk", "np", "ty", "thx", "thanks", "thank you", "thanks a lot", "you're welcome"),
        *("welcome", "same", "me too", "indeed", "right", "exactly", "got it", "i see", "good"),
        *("perfect", "awesome", "amazing", "sounds good", "will do", "done", "bye", "cu", "yay"),
        *("oops", "sorry", "no worries", "never mind", "nvm", "alright", "fine", "ugh", "meh"),
        *("ja", "jo", "jep", "nein", "nee", "genau", "klar", "gut", "super", "toll", "danke"),
        *("danke schön", "dankeschön", "vielen dank", "bitte", "gern", "gerne", "stimmt", "passt"),
        *("alles klar", "ach so", "achso", "aha", "tja", "tschüss", "krass", "geil", "naja", "hm"),
        *("sí", "si", "vale", "bueno", "bien", "genial", "gracias", "muchas gracias", "de nada"),
        *("claro", "jaja", "jajaja", "ja ja", "exacto", "perfecto", "adiós", "hasta luego"),
        *(
            "好",
            "好的",
            "好吧",
            "好啊",
            "嗯",
            "嗯嗯",
            "哦",
            "噢",
            "是",
            "是的",
            "对",
            "对的",
            "没错",
        ),
        *("哈哈", "哈哈哈", "呵呵", "嘻嘻", "谢谢", "謝謝", "多谢", "不客气", "行", "可以", "收到"),
        *(
            "知道了",
            "明白",
            "了解",
            "厉害",
            "牛",
            "赞",
            "笑死",
            "再见",
            "拜拜",
            "666",
            "233",
            "ok的",
        ),
        *("はい", "うん", "ええ", "いいえ", "なるほど", "了解", "了解です", "ありがとう"),
        *(
            "ありがとうございます",
            "どうも",
            "すごい",
            "そうだね",
            "そうですね",
            "笑",
            "草",
            "w",
            "ww",
        ),
        *("www", "おk", "おけ", "オッケー", "わかった", "わかりました", "お疲れ", "お疲れ様"),
        *("نعم", "لا", "أجل", "حسنا", "تمام", "طيب", "شكرا", "شكرا لك", "شكرا جزيلا", "عفوا"),
        *("هههه", "هه", "ههه", "جميل", "رائع", "ممتاز", "أكيد", "صحيح", "مع السلامة", "اوك"),
    )
)
_LAUGH: Final = re.compile(
    r"(?:a?(?:ha|he|hi|ho|ja|je){2,}h?a?|l+o+l+|x+d+|哈+|呵+|w+|笑+|草+|ه{2,})"
)
_SPLIT: Final = re.compile(r"[\s,.!?;:~…،。！？、؟\"'()*_-]+")
_MAX_CHARS: Final = 40


def is_filler(words: str) -> bool:
    """Nothing but interjections, thanks, laughter, emoji or signs? Expects folded words."""
    if len(words) > _MAX_CHARS:
        return False
    plain = "".join(" " if _is_sign(c) else c for c in words)
    said = " ".join(part for part in _SPLIT.split(plain) if part)
    return not said or said in _WORDS or all(_is_small(part) for part in said.split())


def _is_small(part: str) -> bool:
    return part in _WORDS or _LAUGH.fullmatch(part) is not None


def _is_sign(character: str) -> bool:
    """Emoji, other symbols, and what joins emoji together."""
    if character in "\u200d\ufe0f\ufe0e\u20e3":
        return True
    category = unicodedata.category(character)
    return category in {"So", "Sk", "Cn", "Co"} or 0x1F000 <= ord(character) <= 0x1FAFF
