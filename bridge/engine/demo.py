"""The built-in demo engine: fixed rules for a first look without an AI model, and says so.

It is never used in place of a model that fails.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from bridge.clock import Clock
from bridge.domain.prompt import Delta, Finished, Prompt, Scene, TextDelta
from bridge.engine import demo_phrases
from bridge.engine.demo_phrases import PHRASES, Phrases

LABEL: Final = "demo engine, no AI model connected"
WORD_DELAY_S: Final = 0.01
_TOPIC_CHARS: Final = 60

_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_ARABIC = re.compile(r"[\u0600-\u06ff]")
_GERMAN = re.compile(r"\b(ich|du|bist|wer|wie|was|ist|und|nicht|danke|hallo|warum)\b|[äöüß]")
_SPANISH = re.compile(r"\b(qué|que|quién|quien|eres|cómo|hola|gracias|por|una|el|la|es)\b|[¿¡ñ]")
_LINK = re.compile(r"\w+://\S+")
_MARKUP = re.compile(r"[<>\[\](){}*_`#|~@\\^\"“”„«»「」\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_SUM = re.compile(
    r"(?<![\w.,:/+*-])(-?\d{1,9}(?:\.\d{1,6})?)\s*([-+*/×x÷])\s*(\d{1,9}(?:\.\d{1,6})?)"
    r"(?!\s*[-+*/×÷]|[.,:]?\w)",
    re.IGNORECASE,
)
_INTENTS: Final = tuple(
    (intent, re.compile(pattern, re.IGNORECASE))
    for intent, pattern in (
        ("who", demo_phrases.WHO),
        ("help", demo_phrases.HELP),
        ("time", demo_phrases.TIME),
        ("thanks", demo_phrases.THANKS),
        ("bye", demo_phrases.BYE),
        ("hello", demo_phrases.HELLO),
    )
)
_PIECES = re.compile(r"\S{1,8}\s*")


class DemoEngine:
    """Engine port. The same question to the same puppet gets the same answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def label(self) -> str:
        return LABEL

    async def stream(self, prompt: Prompt, *, affinity: str) -> AsyncGenerator[Delta, None]:
        """Speaks in pieces of about a word, each a moment after the other. It sums up nothing."""
        is_reply = prompt.purpose == "reply"
        said = answer(prompt.scene, self._clock.now()) if is_reply else ""
        pieces = _PIECES.findall(said)
        for piece in pieces:
            await self._clock.sleep(WORD_DELAY_S)
            yield TextDelta(text=piece)
        yield Finished(reply_tokens=len(pieces))

    async def choose(self, prompt: Prompt, *, affinity: str) -> Mapping[str, float]:
        """Rules cannot tell whether somebody is welcome."""
        return {}

    async def close(self) -> None:
        return None


def answer(scene: Scene, now_ms: int) -> str:
    """What the demo says in this scene."""
    question = _without_name(scene.question, scene.speaker)
    language = language_of(scene.language, question)
    digest = hashlib.blake2b(f"{scene.puppet_id}\0{question}".encode(), digest_size=8).digest()
    calculated = _calculate(question)
    topic = _topic(question)
    sentences = [
        choices[digest[n] % len(choices)]
        for n, choices in enumerate(
            _sentences(scene, PHRASES[language], _intent(question, calculated, topic))
        )
    ]
    asker = _plain(scene.asker)
    text = ("" if language in ("zh", "ja") else " ").join(sentences)
    return _fill(
        text if asker else _without_asker(text),
        {
            "name": _plain(scene.speaker),
            "about": _sentence(scene.description),
            "greeting": _sentence(scene.greeting),
            "asker": asker,
            "topic": topic,
            "time": datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%H:%M"),
            "sum": calculated[0],
            "result": calculated[1],
        },
    )


def language_of(language: str, question: str) -> str:
    """The language to answer in: the one asked for, else what the question looks like."""
    wanted = re.split(r"[-_]", language.lower())[0]
    if wanted in PHRASES:
        return wanted
    if wanted:
        return "en"
    lowered = question.lower()
    looks = (("ja", _KANA), ("zh", _HAN), ("ar", _ARABIC), ("de", _GERMAN), ("es", _SPANISH))
    return next((code for code, pattern in looks if pattern.search(lowered)), "en")


def _intent(question: str, calculated: tuple[str, str], topic: str) -> str:
    if calculated[1]:
        return "sum"
    found = next((intent for intent, pattern in _INTENTS if pattern.search(question)), "")
    return found or ("reflect" if topic else "empty")


def _sentences(scene: Scene, phrases: Phrases, intent: str) -> tuple[tuple[str, ...], ...]:
    """The sentences of an answer, each as the variants to pick from."""
    who = phrases.who if scene.description.strip() else phrases.who_undescribed
    match intent:
        case "who":
            return who, phrases.no_model
        case "hello" if scene.greeting.strip():
            return ("{greeting}",), phrases.no_model
        case "hello":
            return phrases.hello, phrases.who_undescribed, phrases.no_model
        case "help":
            return phrases.help, phrases.no_model
        case "time":
            return phrases.time, phrases.no_model
        case "thanks":
            return (phrases.thanks,)
        case "bye":
            return (phrases.bye,)
        case "sum":
            return (phrases.sum,)
        case "empty":
            return phrases.empty, phrases.no_model
        case _:
            return phrases.reflect, phrases.no_model


def _calculate(question: str) -> tuple[str, str]:
    """The first calculation in the question and its result, or two empty strings."""
    found = _SUM.search(question)
    if not found:
        return "", ""
    left, sign, right = Fraction(found[1]), found[2].lower(), Fraction(found[3])
    match sign:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*" | "x" | "×":
            result = left * right
        case _ if right:
            result = left / right
        case _:
            return "", ""
    shown = str(result) if result.denominator == 1 else f"{float(result):.6g}"
    return f"{found[1]} {found[2]} {found[3]}", shown


def _without_name(question: str, speaker: str) -> str:
    if not speaker:
        return question.strip()
    name = re.escape(speaker)
    start = rf"^\W*{name}(?:\s*\(AI\))?(?![A-Za-z0-9])\s*[,:;!，：、،]?\s*"
    return re.sub(start, "", question, flags=re.IGNORECASE).strip()


def _topic(question: str) -> str:
    """The question as one short line without links and markup, safe to repeat."""
    topic = _plain(question).strip(" ?!.,:;/+=-؟،。、？！")
    return topic if len(topic) <= _TOPIC_CHARS else f"{topic[: _TOPIC_CHARS - 1].rstrip()}…"


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub(" ", _LINK.sub(" ", text)).split())


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text[-1] in ".!?…。！？؟" else f"{text}."


def _without_asker(text: str) -> str:
    text = re.sub(r"^\{asker\}(?:さん)?[、，,]?\s*", "", text)
    return re.sub(r"[,،，、]?\s*(?:يا\s+)?\{asker\}(?:さん)?", "", text)


def _fill(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], ""), text)
