"""`!ai help` and the like: which command a message is. No command ever reaches a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bridge.domain.persona import Puppet
from bridge.domain.room_settings import LEVELS
from bridge.policy import reasons
from bridge.policy.addressing import Heard, present
from bridge.policy.names import fold, name_at
from bridge.policy.view import View

Word = Literal[
    "help",
    "who",
    "level",
    "settings",
    "stop",
    "continue",
    "why",
    "privacy",
    "forget",
    "optout",
    "usage",
    "models",
    "pull",
    "unknown",
]

WORDS: Final[Mapping[str, Word]] = {
    "help": "help",
    "hilfe": "help",
    "ayuda": "help",
    "帮助": "help",
    "幫助": "help",
    "ヘルプ": "help",
    "مساعدة": "help",
    **dict.fromkeys(("who", "list", "wer", "liste", "quién", "quien", "lista"), "who"),
    **dict.fromkeys(("谁", "誰", "列表", "一覧", "من", "قائمة"), "who"),
    **dict.fromkeys(("level", "stufe", "nivel", "级别", "級別", "レベル", "مستوى"), "level"),
    **dict.fromkeys(
        ("settings", "einstellungen", "ajustes", "设置", "設定", "إعدادات"), "settings"
    ),
    **dict.fromkeys(("stop", "stopp", "para", "停", "停止", "ストップ", "توقف"), "stop"),
    **dict.fromkeys(("continue", "weiter", "sigue", "继续", "繼續", "続けて", "تابع"), "continue"),
    **dict.fromkeys(("why", "warum", "porqué", "为什么", "為什麼", "なぜ", "لماذا"), "why"),
    **dict.fromkeys(
        ("optout", "opt-out", "austreten", "excluirme", "退出", "除外", "استثنني"), "optout"
    ),
    **dict.fromkeys(("usage", "verbrauch", "uso", "用量", "使用量", "استخدام"), "usage"),
    **dict.fromkeys(
        ("models", "modelle", "modelos", "模型", "モデル", "نماذج", "النماذج"), "models"
    ),
    **dict.fromkeys(
        ("pull", "herunterladen", "descargar", "下载", "下載", "取得", "تنزيل"), "pull"
    ),
    "privacy": "privacy",
    "datenschutz": "privacy",
    "privacidad": "privacy",
    "隐私": "privacy",
    "隱私": "privacy",
    "プライバシー": "privacy",
    "الخصوصية": "privacy",
    "forget": "forget",
    "vergiss": "forget",
    "vergessen": "forget",
    "olvida": "forget",
    "olvídame": "forget",
    "olvidame": "forget",
    "olvidar": "forget",
    "忘记": "forget",
    "忘記": "forget",
    "忘记我": "forget",
    "忘記我": "forget",
    "忘れて": "forget",
    "私を忘れて": "forget",
    "انسني": "forget",
    "أنسني": "forget",
    "انسيني": "forget",
    "نسيان": "forget",
}
"""What people type, folded. English words are the ones that we suggest."""

FORGET_ME: Final = frozenset(
    {
        *("forget me", "vergiss mich", "olvídame", "olvidame", "忘记我", "忘記我", "忘了我"),
        *("私を忘れて", "私のことを忘れて", "انسني", "أنسني", "انسيني"),
    }
)
"""What a character must be told, without prefix, to erase somebody's words: nobody says it by
accident, as they may say "forget"."""

SUGGESTED: Final = (
    *("help", "who", "level", "settings", "stop", "continue", "why", "privacy", "forget"),
    *("optout", "usage", "models", "pull"),
)
_PLAIN: Final = frozenset({"help", "who", "level", "settings", "privacy", "usage", "optout"})
"""Commands that are understood without the prefix too, where a puppet is mentioned and nothing else
is said. The others are words that people say."""
_NATURAL: Final = frozenset({"who", "wer", "quién", "quien", "谁", "誰", "من"})
_BESIDE: Final = frozenset(
    {
        *LEVELS, "off", "on", "default", "all", "please", "me", "bitte", "share", "quiet",
        "timezone", "puppets", "language", "rules", "minors", "preset",
    }
)  # fmt: skip
"""What belongs to commands."""
_MAX_WORD_CHARS: Final = 40
_AROUND: Final = " ,;:!?.\"'“”‘’()，；：！？。、،؛؟"
_MAX_ARGUMENTS: Final = 20
_FOREIGN: Final = re.compile(r"![a-z]")
_TOKEN: Final = re.compile(r"[\s:,،、]*([^\s?!.,،、。؟]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command and the puppet that answers it. `typed` is the word as it was typed, `arguments`
    the words behind it, folded, and `rest` the same as one text."""

    word: Word
    typed: str
    puppet: Puppet
    arguments: tuple[str, ...] = ()
    rest: str = ""


def command_in(view: View, heard: Heard) -> Command | None:
    """The command that a message is: behind the prefix, or as the only word to a puppet."""
    house = view.house
    found = _behind_prefix(heard.words, fold(house.command_prefix))
    if found is not None:
        here = present(view)
        if not here:
            return None
        typed, rest = found[0][:_MAX_WORD_CHARS], found[1]
        word: Word = WORDS.get(typed, "unknown") if typed else "help"
        return Command(
            word=word,
            typed=typed,
            puppet=_answering(heard, here),
            arguments=_arguments(rest),
            rest=rest,
        )
    called = [a.puppet for a in heard.addressed if _may_be_plain(a.puppet, a.reason)]
    plain = _plain_word(heard, called[0]) if called else None
    if plain:
        return Command(word=plain, typed=plain, puppet=called[0])
    mentioned = [a.puppet for a in heard.addressed if a.reason == reasons.MENTIONED]
    return _spoken_to(view, heard, mentioned[0]) if mentioned else None


def _spoken_to(view: View, heard: Heard, puppet: Puppet) -> Command | None:
    """A command with what belongs to it, to a puppet that is mentioned: "@luna level silent".

    What has anything else beside it is said to the character: "@luna stop me if you know this".
    """
    typed, _, rest = heard.remainder.strip(_AROUND).partition(" ")
    word, arguments = WORDS.get(typed.strip(_AROUND)), _arguments(rest)
    if word is None or word == "unknown":
        return None
    known = {*WORDS, *_BESIDE, *(p.puppet_id for p in view.house.cast.personas())}
    is_setting = word == "settings" and bool(arguments) and arguments[0] in _BESIDE
    if not is_setting and not set(arguments) <= known:
        return None
    return Command(word=word, typed=typed, puppet=puppet, arguments=arguments, rest=rest.strip())


def is_for_another_program(view: View, heard: Heard) -> bool:
    """Does the message begin as commands of other programs do, such as `!weather Lisbon`?"""
    is_ours = _behind_prefix(heard.words, fold(view.house.command_prefix)) is not None
    return not is_ours and _FOREIGN.match(heard.words) is not None


def _behind_prefix(words: str, prefix: str) -> tuple[str, str] | None:
    """The first word behind the prefix ("" where there is none) and the rest; None without it."""
    if not words.startswith(prefix):
        return None
    if prefix[-1:].isalnum() and name_at(words, 0, (prefix,)) is None:
        return None
    match = _TOKEN.match(words, len(prefix))
    return (match.group(1), words[match.end() :].strip(" :,،、")) if match else ("", "")


def _arguments(rest: str) -> tuple[str, ...]:
    """The words behind a command, without the punctuation around them."""
    words = (word.strip(_AROUND) for word in rest.split()[:_MAX_ARGUMENTS])
    return tuple(word for word in words if word)


def _plain_word(heard: Heard, puppet: Puppet) -> Word | None:
    """The command that is all of what was said to a puppet."""
    said = heard.remainder.strip(" \n\t,:;.!?،、。؟")
    if said in FORGET_ME:
        return "forget"
    word = WORDS.get(said)
    if puppet.role == "bridge":
        return word
    return word if word in _PLAIN and said not in _NATURAL else None


def _answering(heard: Heard, here: tuple[Puppet, ...]) -> Puppet:
    """One puppet answers for all: the one addressed, else the first with a character."""
    addressed = (a.puppet for a in heard.addressed)
    characters = (puppet for puppet in here if puppet.role == "persona")
    return next(puppet for group in (addressed, characters, here) for puppet in group)


def _may_be_plain(puppet: Puppet, reason: str) -> bool:
    """May this puppet be given a command without prefix, in this way?"""
    if puppet.role == "bridge":
        return True
    return reason in {reasons.MENTIONED, reasons.NAMED}
