"""How a message ends: whom it calls by name there. "What do you think, Luna?", "…，露娜？"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.domain.ids import PuppetId
from bridge.policy.names import Called
from bridge.policy.opening import AND, GREETINGS, called_first

_AFTER: Final = " \t\n.!?…~。！？؟،,*_"
_SET_OFF: Final = re.compile(r"[,،、;:؛.!?。！？؟…\n]|\s[-–—]+\s|\sيا\s")
_LIST_WORDS: Final = 2


def called_last(words: str, names: Mapping[PuppetId, tuple[str, ...]]) -> dict[PuppetId, Called]:
    """The puppets that the text ends by calling: names alone, set off by punctuation.

    The end of a list calls nobody: "my favourite moons: Io, Europa, Luna".
    """
    text = words.rstrip(_AFTER)
    while text and _is_sign(text[-1]):
        text = text[:-1].rstrip(_AFTER)
    signs = list(_SET_OFF.finditer(text))
    if not signs or not text[: signs[-1].start()].strip():
        return {}
    start = signs[-1].end()
    segment = text[start:]
    lead = len(segment) - len(segment.lstrip())
    segment = segment.lstrip()
    called = called_first(segment, names)
    if not called or max(each.end for each in called.values()) < len(segment):
        return {}
    if _begins_with_and(segment) or _ends_a_list(words, text, signs):
        return {}
    moved = start + lead
    return {
        puppet_id: Called(name=each.name, start=each.start + moved, end=each.end + moved)
        for puppet_id, each in called.items()
    }


def _begins_with_and(segment: str) -> bool:
    return segment.split(" ")[0] in AND


def _ends_a_list(words: str, text: str, signs: list[re.Match[str]]) -> bool:
    """Is what stands before the name an item like it, and nothing asked?"""
    if len(signs) < 2 or words.rstrip().endswith(("?", "!", "؟", "？", "！")):
        return False
    if signs[-1].group() not in ",،、" or signs[-2].group() not in ",،、:":
        return False
    before = text[signs[-2].end() : signs[-1].start()].strip()
    return 0 < len(before.split()) <= _LIST_WORDS and before not in GREETINGS


def _is_sign(character: str) -> bool:
    return ord(character) > 0x2190 and not character.isalnum()
