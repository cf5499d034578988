"""Signs that somebody may hurt themselves. By phrases: careful, and never a joke."""

from __future__ import annotations

import re
from typing import Final

_SIGNS: Final = re.compile(
    # English
    r"\b(?:i (?:just |really |only )*(?:want to|wanna|would like to|wish to|wish i could) "
    r"(?:just )?(?:die|kill myself|end it all|end my life|be dead|disappear forever)"
    r"|i'd (?:rather|like to) (?:die|be dead)|i wish i (?:was|were) (?:dead|never born)"
    r"|i(?:'m| am) (?:going to|gonna) (?:kill myself|end my life|hurt myself|end it all)"
    r"|i(?:'ll| will) (?:kill myself|end my life|end it all)"
    r"|(?:kill|killing|hurt|hurting|cut|cutting) myself|end my (?:own )?life|suicidal"
    r"|commit suicide|i (?:don't|do not|dont) want to (?:live|be alive|be here) any ?more"
    r"|no reason to live|better off dead"
    # German
    r"|ich (?:will|möchte|mag) (?:einfach |nur |nur noch )*(?:nicht mehr leben|sterben|tot sein"
    r"|mich umbringen)|mich umbringen|mir das leben nehmen|ich bring(?:e)? mich um(?! \d)"
    r"|selbstmord begehen|ich wäre (?:lieber|gerne?) tot|ich (?:ritze|verletze) mich"
    # Spanish
    r"|(?<!no )(?:quiero|querría|quisiera) (?:morir(?:me)?|matarme|suicidarme)"
    r"|me (?:quiero|voy a) (?:morir|matar|suicidar)|no quiero (?:vivir más|seguir viviendo)"
    r"|ya no quiero vivir|quitarme la vida|hacerme daño)\b"
    # Chinese, Japanese, Arabic
    r"|(?:想|要)(?:自杀|自殺|死(?!海|机|機|守|记|記)|去死(?!海)|死了算了)|不想活了?|活不下去"
    r"|(?:结束|結束)(?:自己的|我的)?生命|想自残|割腕"
    r"|死にたい|自殺したい|消えてしまいたい|生きていたくない|生きたくない|リストカット"
    r"|أريد أن أموت|اريد ان اموت|أريد الانتحار|أفكر في الانتحار|سأنتحر|سأقتل نفسي"
    r"|لا أريد أن أعيش|أؤذي نفسي"
)
_PLAIN: Final = re.compile(
    r"\b(?:want to|wanna|going to|gonna|will|'ll) (?:kill myself|end my life)\b"
    r"|想自杀|想自殺|自殺したい"
)
"""What no "lol" takes back."""
_NOT_MEANT: Final = re.compile(
    r"\b(?:just kidding|jk|joking(?! no)|in (?:minecraft|the game|game|fortnite|gta|roblox))\b"
    r"|\b(?:of|from|vor|de) (?:laughter|laughing|boredom|embarrassment|lachen|langeweile|risa"
    r"|vergüenza|aburrimiento)\b|笑死|累死|饿死|热死"
    r"|\b(?:kill|cut|hurt|cutting|killing) myself (?:laughing|a slice|some|for forgetting|shaving"
    r"|chopping|cooking|while (?:shaving|cooking))"
)
_LAUGHS: Final = re.compile(
    r"\b(?:lol|lmao|rofl|haha\w*|xd|jaja\w*|lach)\b|[😂🤣😆😅]|哈哈|(?:ｗ|w){3,}|ههه"
)
_APOSTROPHES: Final = str.maketrans({"\u2019": "'", "\u02bc": "'", "\u2018": "'", "`": "'"})
_NEGATED_JOKE: Final = re.compile(r"\b(?:not|no|kein) (?:joking|joke|kidding|lol|scherz|spaß)\b")


def is_sign_of_harm(words: str) -> bool:
    """Does the text say that its author may hurt themselves? Expects folded words."""
    words = words.translate(_APOSTROPHES)
    if _SIGNS.search(words) is None:
        return False
    rest = _NEGATED_JOKE.sub(" ", words)
    if _NOT_MEANT.search(rest):
        return False
    return _PLAIN.search(rest) is not None or _LAUGHS.search(rest) is None
