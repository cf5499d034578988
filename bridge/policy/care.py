"""Signs that somebody may hurt themselves. By phrases: careful, and never a joke."""

from __future__ import annotations

import re
from typing import Final

_SIGNS: Final = re.compile(
    # English
    r"\b(?:(?:i want|i wanna|i'd like|i would like|i wish) to (?:die|kill myself|end it all"
    r"|end my life|be dead|disappear forever)"
    r"|i(?:'m| am) (?:going to|gonna) (?:kill myself|end my life|hurt myself|end it all)"
    r"|(?:kill|killing|hurt|hurting|cut|cutting) myself|end my (?:own )?life|suicidal"
    r"|commit suicide|i don't want to (?:live|be alive|be here) anymore"
    r"|i do not want to (?:live|be alive|be here) any ?more|no reason to live|better off dead"
    # German
    r"|ich will (?:nicht mehr leben|sterben|mich umbringen)|ich möchte (?:nicht mehr leben|sterben)"
    r"|mich umbringen|mir das leben nehmen|bring(?:e)? mich um|selbstmord begehen"
    r"|ich (?:ritze|verletze) mich"
    # Spanish
    r"|(?:quiero|querría|quisiera) (?:morir(?:me)?|matarme|suicidarme)|no quiero (?:vivir|seguir"
    r" viviendo)(?: más)?|me voy a (?:matar|suicidar)|quitarme la vida|hacerme daño)\b"
    # Chinese, Japanese, Arabic
    r"|我?(?:想|要)(?:自杀|自殺|去死|死了算了)|不想活了?|活不下去|结束(?:自己的|我的)?生命|結束(?:自己的|我的)?生命|想自残|割腕"
    r"|死にたい|自殺したい|消えてしまいたい|生きていたくない|リストカット"
    r"|أريد أن أموت|اريد ان اموت|أريد الانتحار|سأنتحر|سأقتل نفسي|لا أريد أن أعيش|أؤذي نفسي"
)
_HARMLESS: Final = re.compile(
    r"\b(?:lol|lmao|rofl|haha\w*|xd|jk|just kidding|jaja\w*|lach)\b"
    r"|[😂🤣😆😅]|哈哈|笑死|(?:ｗ|w){3,}|ههه"
    r"|\b(?:of|from|vor|de) (?:laughter|laughing|boredom|embarrassment|lachen|langeweile|risa"
    r"|vergüenza|aburrimiento)\b"
    r"|\b(?:kill|cut|hurt|cutting|killing) myself (?:laughing|a slice|some|for forgetting|shaving)"
)


def is_sign_of_harm(words: str) -> bool:
    """Does the text say that its author may hurt themselves? Expects folded words."""
    return _SIGNS.search(words) is not None and _HARMLESS.search(words) is None
