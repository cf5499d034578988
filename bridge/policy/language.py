"""Which of our languages a text is in. A wrong guess is worse than none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_NOISE: Final = re.compile(r"https?://\S+|[@!#]\S+:\S+|`[^`]*`|^>.*$", re.MULTILINE)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_HIRAGANA: Final = re.compile(r"[ぁ-ゖ]")
_KATAKANA: Final = re.compile(r"[ァ-ヺー]")
_HAN: Final = re.compile(r"[㐀-䶿一-鿿]")
_ARABIC: Final = re.compile(r"[\u0620-\u064a\u066e-\u06d3]")
_LATIN: Final = re.compile(r"[A-Za-zÀ-ɏ]")

_CHINESE_ONLY: Final = re.compile(
    r"[你您吗嗎这們们呢吧么麼怎哪她啊谢谁说给为让沒很还过时问见嘛唔嘅咗啦]"
)
"""Characters that everyday Chinese cannot do without and Japanese does not use."""

_NOT_ARABIC: Final = re.compile(r"[پچژگکیےہٹڈڑںھڭۆەێ]")
"""Letters of Persian, Urdu, Kurdish, … in the same script."""

_ARABIC_SIGNS: Final = re.compile(r"[ةأإىؤ]|\b(?:ال(?!ان\b)\w{2,}|هل|على|إلى|هذا|هذه|كيف|لماذا)\b")

_COMMON: Final[Mapping[str, frozenset[str]]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the and you your are is was what who how why when where this that it's i'm don't do"
        " does did can could would should will have has not of to for with my me we they he she"
        " it please tell about there from be if but or any think know what's let's thanks",
        "de": "der die das und ich du ist bist sind nicht ein eine einen einem wer wie was wo warum"
        " wann kannst kann mir mich dir dich wir ihr sie es mit für auf von zu im dem den aber"
        " oder wenn auch noch schon mal bitte danke hast habe haben wird über dein mein heute"
        " heißt geht gibt nach bei sag erzähl",
        "es": "el la los las un una y que qué quién quien cómo como dónde cuándo cuál eres es son"
        " está estás estoy soy de del en por para con no sí se me te mi tu su lo le al pero más"
        " muy hay puedes puedo quiero tengo tienes hola gracias también porque cuéntame dime hoy",
        # Neighbours that we do not speak: a text that is theirs must not be taken for ours.
        "fr": "le la les un une et que qui est es tu je vous nous de des du en pour avec ne pas ce"
        " cette dans sur mon ma ton ta quoi où comment mais plus très oui non bonjour merci c'est"
        " j'ai suis sont peux il elle on se me te",
        "pt": "o a os as um uma e que quem é são está estás estou sou de do da em no na por para"
        " com não sim se me te meu teu seu lhe ao mas mais muito há podes posso quero você obrigado"
        " obrigada também porque como onde hoje tem isso esta este la el",
        "it": "il lo la gli le un una e che chi è sono sei di del della in per con non sì si mi ti"
        " mio tuo suo al ma più molto c'è puoi posso voglio ciao grazie anche perché come dove"
        " cosa oggi questo io tu es me",
        "nl": "de het een en ik je jij is bent zijn niet wie wat hoe waar waarom wanneer kan kun"
        " mij me wij we jullie ze met voor op van te in maar of als ook nog al wel dank hebt heb"
        " hebben wordt over jouw mijn vandaag was die dat dit er was do to has no",
        "nordic": "och att det är jag som på inte ikke og er jeg du en ett et den har vi de med för"
        " for til till av af hva hvad vad hvem vem hvor hur kan du man om var i",
    }.items()
}
_OURS: Final = ("en", "de", "es")


def guess(text: str) -> str:
    """`en`, `zh`, `ja`, `de`, `es` or `ar`; "" where the text is too short or in doubt."""
    text = _NOISE.sub(" ", text)
    east_asian = _count(_HIRAGANA, text) + _count(_KATAKANA, text) + _count(_HAN, text)
    arabic = _count(_ARABIC, text)
    latin = _count(_LATIN, text)
    if east_asian and 2 * east_asian >= latin:
        return _guess_east_asian(text)
    if arabic > latin:
        return "ar" if _ARABIC_SIGNS.search(text) and not _NOT_ARABIC.search(text) else ""
    letters = sum(c.isalpha() for c in text)
    return _guess_latin(text) if latin * 2 > letters else ""


def _guess_east_asian(text: str) -> str:
    hiragana = len(set(_HIRAGANA.findall(text)))
    katakana = _count(_KATAKANA, text)
    has_han = _HAN.search(text) is not None
    if hiragana >= 2 or (katakana >= 2 and has_han) or katakana >= 5:
        return "ja"
    return "zh" if _CHINESE_ONLY.search(text) and not hiragana and not katakana else ""


def _guess_latin(text: str) -> str:
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    scores = {
        language: sum(word in common for word in words) for language, common in _COMMON.items()
    }
    if "¿" in text or "¡" in text:
        scores["es"] += 2
    if "ß" in text:
        scores["de"] += 2
    best = max(_OURS, key=lambda language: scores[language])
    rivals = [score for language, score in scores.items() if language != best]
    return best if scores[best] >= 2 and scores[best] > max(rivals) else ""


def _count(pattern: re.Pattern[str], text: str) -> int:
    return len(pattern.findall(text))
