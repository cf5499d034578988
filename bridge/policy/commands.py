"""Fixed answers to `!ai help` and the like. No command ever reaches a model."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from bridge.domain.decision import ForgetPerson, Say
from bridge.domain.events import Message
from bridge.domain.persona import Puppet
from bridge.policy import reasons
from bridge.policy.addressing import Heard, present
from bridge.policy.names import fold, name_at
from bridge.policy.saying import reply
from bridge.policy.view import View

Word = Literal["help", "list", "privacy", "forget", "unknown"]

WORDS: Final[Mapping[str, Word]] = {
    "help": "help",
    "hilfe": "help",
    "ayuda": "help",
    "帮助": "help",
    "幫助": "help",
    "ヘルプ": "help",
    "مساعدة": "help",
    "list": "list",
    "liste": "list",
    "lista": "list",
    "列表": "list",
    "一覧": "list",
    "قائمة": "list",
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

_SUGGESTED: Final = ("help", "list", "privacy", "forget")
_MAX_WORD_CHARS: Final = 40
_FOREIGN: Final = re.compile(r"![a-z]")
_TOKEN: Final = re.compile(r"[\s:,،、]*([^\s?!.,،、。؟]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command and the puppet that answers it. `typed` is the word as it was typed."""

    word: Word
    typed: str
    puppet: Puppet


def command_in(view: View, heard: Heard) -> Command | None:
    """The command that a message is: behind the prefix, or as the only word to a puppet."""
    house = view.house
    behind_prefix = _behind_prefix(heard.words, fold(house.command_prefix))
    if behind_prefix is not None:
        here = present(view)
        if not here:
            return None
        typed = behind_prefix[:_MAX_WORD_CHARS]
        word: Word = WORDS.get(typed, "unknown") if typed else "help"
        return Command(word=word, typed=typed, puppet=_answering(heard, here))
    called = [a.puppet for a in heard.addressed if _may_be_plain(a.puppet, a.reason)]
    plain = _plain_word(heard, called[0]) if called else None
    return Command(word=plain, typed=plain, puppet=called[0]) if plain else None


def is_for_another_program(view: View, heard: Heard) -> bool:
    """Does the message begin as commands of other programs do, such as `!weather Lisbon`?"""
    is_ours = _behind_prefix(heard.words, fold(view.house.command_prefix)) is not None
    return not is_ours and _FOREIGN.match(heard.words) is not None


def answer(view: View, message: Message, command: Command) -> Say | ForgetPerson:
    """The sentence that answers the command, after what it asks for."""
    puppet = command.puppet
    match command.word:
        case "help":
            sentence = "bridge_help" if puppet.role == "bridge" else "help"
            return reply(view, message, puppet, sentence, reasons.COMMAND_HELP)
        case "list":
            return reply(view, message, puppet, "bridge_help", reasons.COMMAND_LIST)
        case "privacy":
            return reply(view, message, puppet, "privacy", reasons.COMMAND_PRIVACY)
        case "forget":
            return ForgetPerson(
                puppet_id=puppet.puppet_id,
                cause_id=message.event_id,
                person=message.sender,
                proof=reply(view, message, puppet, "forgotten", reasons.COMMAND_FORGET),
                reason=reasons.COMMAND_FORGET,
            )
        case "unknown":
            near = difflib.get_close_matches(command.typed, _SUGGESTED, n=1, cutoff=0.5)
            return reply(
                view, message, puppet, "unknown_command", reasons.COMMAND_UNKNOWN,
                word=command.typed, suggestion=near[0] if near else "",
            )  # fmt: skip
        case _:
            assert_never(command.word)


def _behind_prefix(words: str, prefix: str) -> str | None:
    """The first word behind the prefix, "" where there is none; None without the prefix."""
    if not words.startswith(prefix):
        return None
    if prefix[-1:].isalnum() and name_at(words, 0, (prefix,)) is None:
        return None
    match = _TOKEN.match(words, len(prefix))
    return match.group(1) if match else ""


def _plain_word(heard: Heard, puppet: Puppet) -> Word | None:
    """The command that is all of what was said to a puppet."""
    said = heard.remainder.strip(" \n\t,:;.!?،、。؟")
    if said in FORGET_ME:
        return "forget"
    word = WORDS.get(said)
    return None if word == "forget" and puppet.role == "persona" else word


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
