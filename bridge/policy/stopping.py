"""When people want quiet: "Luna, stop" in six languages, or 🛑 on a puppet's message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, assert_never

from bridge.domain.cast import Cast
from bridge.domain.effect import EditText, Effect, React, Redact, SendText
from bridge.domain.events import Reaction
from bridge.domain.history import Said
from bridge.domain.persona import Puppet
from bridge.policy import reasons
from bridge.policy.addressing import Heard
from bridge.policy.names import PLACE, fold, name_at
from bridge.policy.opening import AND, GREETINGS

_STOP_SIGN: Final = "🛑"
STOP_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        *("stop", "stop it", "stop that", "stop talking", "stop now", "be quiet", "quiet", "hush"),
        *("shut up", "be silent", "silence", "shush", "enough", "that's enough", "stop spamming"),
    ),
    "zh": (
        *(
            "停",
            "停下",
            "停下来",
            "停止",
            "停一下",
            "停一停",
            "别说",
            "别说了",
            "够了",
            "夠了",
            "别说话",
            "别说话了",
        ),
        *("别讲了", "闭嘴", "住口", "安静", "安静点", "安静一下", "別說了", "別說話", "別講了"),
        *("閉嘴", "安靜", "停下來", "不要说了", "不要說了", "停止说话", "停止說話", "不要说话"),
    ),
    "ja": (
        *(
            "やめて",
            "もうやめて",
            "やめろ",
            "やめ",
            "止めて",
            "止まって",
            "とまって",
            "ストップ",
            "静かに",
        ),
        *("静かにして", "黙って", "だまって", "黙れ"),
    ),
    "de": (
        *(
            "stopp",
            "stop",
            "halt",
            "sei still",
            "still sein",
            "ruhig sein",
            "hör auf damit",
            "sei ruhig",
            "sei leise",
            "hör auf",
            "ruhe",
        ),
        *("aufhören", "schweig", "halt den mund", "halt die klappe"),
    ),
    "es": (
        *("para", "para ya", "basta", "basta ya", "ya basta", "detente", "silencio", "cállate"),
        *("callate", "guarda silencio", "no hables más", "no hables", "deja de hablar", "alto"),
        *("deja de escribir", "cállate ya"),
    ),
    "ar": (
        *("توقف", "توقفي", "قف", "قفي", "اسكت", "اسكتي", "اصمت", "اصمتي", "كفى", "كف", "كفي"),
        *("توقف عن الكلام", "توقفي عن الكلام", "أوقف", "هدوء"),
    ),
}
"""What means "stop" where it is all that is said."""

_POLITE: Final = (
    *("no", "nein", "不", "いや", "لا", "can you", "could you", "kannst du", "könntest du"),
    *("puedes", "podrías"),
    *(
        "please",
        "pls",
        "plz",
        "now",
        "thanks",
        "thank you",
        "just",
        "already",
        "bitte",
        "jetzt",
        "mal",
    ),
    *("danke", "sofort", "por favor", "ahora", "ya", "gracias", "请", "請", "吧", "了", "一下"),
    *("谢谢", "謝謝", "马上", "ください", "下さい", "お願い", "お願いします", "ね", "よ"),
    *("من فضلك", "رجاء", "لو سمحت", "الآن", "شكرا"),
)
_MAX_CHARS: Final = 120
"""A wish for quiet is short."""

_NO_WORD: Final = re.compile(rf"[^\w{PLACE}]+")


def stopped_by_words(heard: Heard) -> tuple[Puppet, ...]:
    """The puppets told to stop. The message says nothing else, or it is no stop.

    Whoever is named is meant, at the end as well ("stop, Luna"); else who is mentioned, replied to
    or alone with the sender.
    """
    if not is_stop(heard.remainder):
        return ()
    meant = heard.named or tuple(addressed.puppet for addressed in heard.addressed)
    return tuple(puppet for puppet in meant if puppet.role == "persona")


def stopped_by_reaction(cast: Cast, reaction: Reaction, target: Said | None) -> Puppet | None:
    """The puppet whose message got a 🛑."""
    if target is None or reaction.key.strip().rstrip("\ufe0e\ufe0f") != _STOP_SIGN:
        return None
    return cast.by_user_id(target.sender)


def gives_way(effect: Effect, reason: str) -> bool:
    """Is it left undone, though planned, because of that? Not what takes something back, nor what
    makes whole a message that the room sees the half of."""
    match effect:
        case SendText() | React():
            return True
        case EditText():
            return reason not in (reasons.STOP_WORD, reasons.STOP_REACTION, reasons.SOMEBODY_SPOKE)
        case Redact():
            return False
        case _:
            assert_never(effect)


def is_stop(remainder: str) -> bool:
    """Is this nothing but a word for stop, and politeness? Expects folded text without names."""
    if len(remainder) > _MAX_CHARS:
        return False
    words = _NO_WORD.sub(" ", remainder).strip()
    # Politeness may stand inside the phrase: "sei bitte still".
    return _is_stop(words) or " ".join(w for w in words.split() if w not in _FILLERS) in _STOPS


def _is_stop(words: str) -> bool:
    has_stop = False
    at = 0
    while at < len(words):
        stop = name_at(words, at, _STOPS)
        phrase = stop or name_at(words, at, _FILLERS)
        if phrase is None:
            return False
        has_stop = has_stop or stop is not None
        at = phrase.end + words.startswith(" ", phrase.end)
    return has_stop


def _folded(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(_NO_WORD.sub(" ", fold(phrase)) for phrase in phrases)


_STOPS: Final = _folded(word for words in STOP_WORDS.values() for word in words)
_FILLERS: Final = _folded((*_POLITE, *GREETINGS, *AND))
