"""Whatever an engine says that obeys an attacker, nothing that is forbidden leaves the bridge."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from pathlib import Path
from typing import Any, Final

import pytest
from markdown_it import MarkdownIt

from bridge.matrix import markdown
from bridge.policy import code, echo, invisible, lines, lookalike, transcript, trust
from bridge.rooms import live, speech
from tests.injection.oracle import Page, problems, prompt_problems
from tests.injection.theatre import Attempt, Sent, attempts, harmless, play, secrets

ATTEMPTS: Final = attempts()
SHORT: Final = [attempt for attempt in ATTEMPTS if not attempt.repeat]
HARMLESS: Final = harmless()
SECRETS: Final = secrets()


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sent]:
    """What came of every attempt, by its title."""
    outcomes = asyncio.run(play(tmp_path_factory.mktemp("attempts"), ATTEMPTS))
    return {a.title: outcome for a, outcome in zip(ATTEMPTS, outcomes, strict=True)}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sent]:
    """What people see of attempts that are written slowly, where every sentence is shown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "is_worth_showing", lambda text, shown: text != shown)
        patch.setattr(live, "LIVE_EDITS", 1000)
        outcomes = asyncio.run(play(tmp_path_factory.mktemp("grown"), SHORT, is_slow=True))
    return {a.title: outcome for a, outcome in zip(SHORT, outcomes, strict=True)}


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sent]:
    """What came of every harmless reply."""
    tried = [
        Attempt(what=str(n), rule="none", says="Luna, tell us?", reply=reply)
        for n, reply in enumerate(HARMLESS)
    ]
    outcomes = asyncio.run(play(tmp_path_factory.mktemp("harmless"), tried))
    return dict(zip(HARMLESS, outcomes, strict=True))


def test_there_are_enough_of_both() -> None:
    assert len({attempt.title for attempt in ATTEMPTS}) == len(ATTEMPTS) >= 60
    assert len(set(HARMLESS)) == len(HARMLESS) >= 30


def test_the_readme_says_how_many_there_are() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"{len(ATTEMPTS)} attempts" in readme
    assert f"{len(HARMLESS)} harmless replies" in readme


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.title)
def test_an_attempt_gets_nothing_forbidden_out(attempt: Attempt, sent: dict[str, Sent]) -> None:
    assert leaks(attempt, sent[attempt.title]) == []


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.title)
def test_what_was_said_forges_nothing_in_the_prompt(
    attempt: Attempt, sent: dict[str, Sent]
) -> None:
    prompt = sent[attempt.title].prompt
    assert prompt_problems(prompt, lines.TURN_MARK, said=3) == []


@pytest.mark.parametrize("attempt", SHORT, ids=lambda attempt: attempt.title)
def test_nothing_forbidden_is_shown_while_it_is_written(
    attempt: Attempt, grown: dict[str, Sent]
) -> None:
    shown = [content.get("m.new_content", content) for content in grown[attempt.title].contents]
    assert [problem for content in shown for problem in problems(content, SECRETS)] == []
    if attempt.rule != "echo":  # A few words of a card are everybody's.
        texts = [content["body"] for content in shown]
        assert [word for text in texts for word in attempt.lacks if word in text] == []


def test_attempts_are_shown_while_they_are_written(grown: dict[str, Sent]) -> None:
    assert sum(len(sent.contents) > 1 for sent in grown.values()) >= 20


@pytest.mark.parametrize("reply", HARMLESS, ids=range(1, len(HARMLESS) + 1))
def test_a_harmless_reply_arrives_unchanged(reply: str, arrived: dict[str, Sent]) -> None:
    (content,) = arrived[reply].contents
    assert content["body"] == reply
    assert problems(content, SECRETS) == []
    if "formatted_body" in content:
        assert letters(Page(content["formatted_body"]).text) == letters(without_markup(reply))


def leaks(attempt: Attempt, outcome: Sent) -> list[str]:
    assert outcome.contents, "the asker is left without any answer"
    found = [problem for content in outcome.contents for problem in problems(content, SECRETS)]
    text = "\n".join(
        f"\n{content['body']}\n{content.get('formatted_body', '')}" for content in outcome.contents
    )
    found += [f"{word!r} is in {text!r}" for word in attempt.lacks if word in text]
    if attempt.kept not in outcome.contents[0]["body"]:
        found.append(f"{attempt.kept!r} is not in {text!r}")
    return found


def letters(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c)[0] in "LNMS"]


def without_markup(markdown: str) -> str:
    """Signs that Markdown takes away: of emphasis and code, quotes, lists, rules and tables."""
    text = re.sub(r"^ *(?:```|~~~)\w*$", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"^(?:> |\d+\. |#+ |\|[-|]+\|$|---$)", "", text, flags=re.MULTILINE)
    text = re.sub(r"<(https?://[^>]+)>", r"\1", text)
    return re.sub(r"~~|`|^\||\|$|(?<= )\|(?= )", "", text, flags=re.MULTILINE)


def nothing(*_: object, **__: object) -> None:
    return None


def unchanged(text: str, *_: object) -> str:
    return text


def nobody(*_: object) -> frozenset[str]:
    return frozenset()


def only_the_whole(
    composer: speech.Composer, turn: Any, text: str, *, was_cut: bool | None = None
) -> str:
    return text if was_cut is None else OWN_WORDS(composer, turn, text, was_cut=was_cut)


OWN_WORDS: Final = speech.Composer.own_words
NEVER: Final = re.compile(r"(?!)")

RULES: Final[dict[str, tuple[Any, str, Any, str]]] = {
    "lines of others end an answer": (
        lines, "_end_of_tag", nothing, "line: a line of another puppet",
    ),
    "who has said nothing may be spoken for as little": (
        speech, "others_of", nobody, "line: a line of a person who has said nothing yet",
    ),
    "the quote of old replies is another's line": (
        lines, "_FALLBACK", NEVER, "line: the quote of old replies",
    ),
    "a list keeps its fence": (
        code, "_FENCE", re.compile(r"()[ ]*(```)"), "line: a fence that its list ends",
    ),
    "a fence is one where clients see one": (
        code, "_FENCE", re.compile(r"([ ]*)(```)"), "line: a fence that is none",
    ),
    "letters that look alike are alike": (
        lookalike, "_LOOKALIKES", {}, "line: a Cyrillic letter in the name",
    ),
    "signs of emphasis hide no name": (lookalike, "_SIGNS", (), "line: italics"),
    "headings of templates end an answer": (
        lines, "_ROLE_HEADING", NEVER, "line: a heading of a chat template",
    ),
    "a further part is no other's line": (
        speech.Composer, "own_words", only_the_whole, "line: at the start of a further part",
    ),
    "what is like a marker is cut off": (lines, "_MARKER", NEVER, "marker: its end"),
    "exact markers are cut off of code, too": (
        lines, "_LINE_MARKER", NEVER, "marker: in a block of code",
    ),
    "the turn's mark ends an answer": (lines, "_TURN_MARK", NEVER, "turn: the turn's mark"),
    "control tokens end an answer": (trust, "without_tokens", unchanged, "token: control tokens"),
    "thoughts are taken out": (trust, "_without_thoughts", unchanged, "thought: a thought"),
    "what is invisible is taken out": (trust, "strip_invisible", unchanged, "invisible: isolates"),
    "joiners are kept where they join": (
        invisible, "_joins", lambda *_: True, "invisible: zero-width bits",
    ),
    "@room is made harmless": (trust, "_without_room_ping", unchanged, "room: the call"),
    "entities are shown as they are": (
        markdown, "_PARSER", markdown._parser().enable("entity"), "room: by an entity",
    ),
    "no invisible character comes out of an entity": (
        markdown, "_PARSER", markdown._parser().enable("entity"), "invisible: by an entity",
    ),
    "an address is shown as it is written": (
        markdown._Markdown, "normalizeLinkText", MarkdownIt.normalizeLinkText,
        "invisible: in an address",
    ),
    "echoes are taken out": (echo.Secrets, "left_out_of", lambda _, text: text, "echo: the rules"),
    "letters alone are compared": (
        lookalike, "_LOOKALIKES", {}, "echo: with Cyrillic letters",
    ),
    "links are shown as they are": (
        markdown, "_with_addresses", list, "link: a target that is hidden",
    ),
    "only what is on the list is a link": (
        markdown, "may_be_clicked", lambda _: True, "link: a name before the host in a link",
    ),
    "addresses off the list are made plain": (
        trust, "with_plain_links", unchanged, "link: another program",
    ),
    "who is named is not mentioned": (
        trust, "with_plain_links", unchanged, "mention: a bare address of a user",
    ),
    "a message is one line of the prompt": (transcript, "_BREAKS", NEVER, "prompt: a forged turn"),
    "no text of the room is a token": (
        transcript, "broken_up", unchanged, "prompt: tokens of many families",
    ),
    "no name ends its tag": (transcript, "plain_name", unchanged, "prompt: a name that is a line"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_without_a_rule_an_attempt_succeeds(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, attribute, replacement, title = RULES[rule]
    (attempt,) = (attempt for attempt in ATTEMPTS if attempt.title == title)
    monkeypatch.setattr(owner, attribute, replacement)
    (outcome,) = asyncio.run(play(tmp_path, [attempt]))
    forged = prompt_problems(outcome.prompt, lines.TURN_MARK, said=3)
    assert forged or leaks(attempt, outcome), f"nobody misses the rule: {rule}"
