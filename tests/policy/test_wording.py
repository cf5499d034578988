from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bridge.policy.wording import KEYS, LANGUAGES, PLAIN, STOP_WORDS, escape, sentence

EVERY = [(language, key) for language in LANGUAGES for key in KEYS]


def values_of(key: str, **changed: str) -> dict[str, str]:
    values = {
        "name": "Luna",
        "operator": "Ada",
        "days": "7",
        "prefix": "!ai",
        "contact": "ada@example.org",
        "list": "- Luna\n- Nova",
        "word": "hepl",
        "suggestion": "help",
        "limit": "2000",
        "messages": "12",
        "replies": "9",
        "rooms": "3",
        "words": "Call Ada.",
        "setting": "level balanced · share 30",
        "choices": "silent, chatty",
        "own": "2",
        "most": "9",
        "turns": "4",
        "prompt": "1200",
        "reply": "80",
        "why": "It was called by name",
        "code": "named",
        "model": "gemma3:4b",
        "count": "12",
        "tools": "- Looked up the time – it worked",
        "label": "demo engine, no AI model connected",
        "server": "http://localhost:11434",
        "size": "3.3 GB",
        "percent": "50",
        "time": "12 min",
        "problem": "the stream ended",
        "pull": "gemma3:4b",
    } | changed
    return {name: values[name] for name in KEYS[key]}


def render(markdown: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


def tags(html: str) -> list[str]:
    return re.findall(r"<[^>]+>", html)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", html).split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence_and_no_other(language: str) -> None:
    assert set(LANGUAGES[language]) == set(KEYS)


@pytest.mark.parametrize(("language", "key"), EVERY)
def test_every_sentence_uses_exactly_its_placeholders(language: str, key: str) -> None:
    template = LANGUAGES[language][key]
    assert set(re.findall(r"\{(.*?)\}", template)) == set(KEYS[key])
    assert template == template.strip()
    assert not re.search(r"[{}\[\]]", sentence(key, language, **values_of(key)))


@pytest.mark.parametrize(("language", "key"), EVERY)
def test_sentences_are_short(language: str, key: str) -> None:
    text = sentence(key, language, **values_of(key))
    assert 4 < len(text) <= 480
    if key in PLAIN:
        assert len(text) <= 160 and "`" not in text and "*" not in text and "\n" not in text


def test_no_sentence_is_left_in_english() -> None:
    for language in set(LANGUAGES) - {"en"}:
        for key in KEYS:
            assert LANGUAGES[language][key] != LANGUAGES["en"][key]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_disclosure_says_ai_who_what_how_long_how_to_silence_and_where_help_is(
    language: str,
) -> None:
    text = sentence("disclosure", language, **values_of("disclosure"))
    ai = {"de": "KI", "es": "IA", "ar": "ذكاء اصطناعي"}.get(language, "AI")
    for part in ("Luna", ai, "Ada", "7", STOP_WORDS[language], "🛑", "`!ai help`"):
        assert part in text
    assert f"Luna{ {'zh': '，', 'ja': '、', 'ar': '، '}.get(language, ', ') }" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_names_the_same_stop_word_and_the_way_to_privacy(language: str) -> None:
    text = sentence("help", language, **values_of("help"))
    assert STOP_WORDS[language] in text
    assert "`!ai privacy`" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_people_are_told_how_to_be_forgotten_and_what_came_of_it(language: str) -> None:
    for key in ("help", "privacy"):
        assert "`!ai forget`" in sentence(key, language, **values_of(key))
    proof = sentence("forgotten", language, **values_of("forgotten"))
    assert re.findall(r"\d+", proof) == ["12", "9", "3"]


def test_an_unknown_language_falls_back_to_english_and_regions_are_understood() -> None:
    assert sentence("engine_down", "xx") == sentence("engine_down", "en")
    assert sentence("engine_down", "") == sentence("engine_down", "en")
    assert sentence("engine_down", "de-AT") == sentence("engine_down", "de")
    assert sentence("engine_down", "zh_CN") == sentence("engine_down", "zh")


def test_an_unknown_sentence_or_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        sentence("no_such_key", "en")
    with pytest.raises(KeyError, match="operator"):
        sentence("invite_denied", "en")


@pytest.mark.parametrize(
    ("language", "days", "said"),
    [
        ("en", "1", "1 day;"),
        ("en", "7", "7 days"),
        ("de", "1", "einen Tag"),
        ("de", "30", "30 Tage"),
        ("es", "1", "1 día"),
        ("es", "2", "2 días"),
        ("zh", "7", "7 天"),
        ("ja", "7", "7日間"),
        ("ar", "1", "يوم واحد"),
        ("ar", "2", "يومين"),
        ("ar", "7", "7 أيام"),
        ("ar", "30", "30 يومًا"),
        ("ar", "100", "100 يوم"),
        ("en", "a few hours", "a few hours"),
    ],
)
def test_days_agree_with_their_number(language: str, days: str, said: str) -> None:
    key = "privacy" if language == "ar" else "disclosure"
    text = sentence(key, language, **values_of(key, days=days))
    assert said.rstrip(";") in text
    if days == "1" and language == "en":
        assert "1 days" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_part_without_a_value_is_left_out(language: str) -> None:
    with_contact = sentence("privacy", language, **values_of("privacy"))
    without = sentence("privacy", language, **values_of("privacy", contact=""))
    assert with_contact.startswith(without) and len(without) < len(with_contact)
    guessed = sentence("unknown_command", language, **values_of("unknown_command"))
    plain = sentence("unknown_command", language, **values_of("unknown_command", suggestion=""))
    assert "`!ai help`" in guessed and guessed.count("`!ai help`") == 2
    assert plain.count("`!ai help`") == 1


HOSTILE = [
    "**bold**",
    "_it_ __b__",
    "[click](https://evil.example)",
    "![x](mxc://evil/x)",
    "<b>hi</b>",
    "<script>alert(1)</script>",
    "&lt;b&gt;",
    "`code`",
    "a\n\n# heading",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "~~gone~~",
    "```\nblock",
    "a | b\n--|--",
    "back\\slash",
    "<https://evil.example>",
    "[[x]] {operator}",
    "evil\u202egnp.exe",
    "---",
    "===",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("key", ["disclosure", "disclosure_more", "dm_ended", "help"])
def test_a_name_cannot_inject_structure(key: str, name: str) -> None:
    for language in LANGUAGES:
        harmless = render(sentence(key, language, **values_of(key, name="Luna")))
        html = render(sentence(key, language, **values_of(key, name=name)))
        assert tags(html) == tags(harmless)


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_comes_out_of_markdown_as_it_went_in(text: str) -> None:
    html = render("x " + escape(text) + " x")
    assert set(tags(html)) == {"<p>", "</p>"}
    assert "\n" not in escape(text)


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_a_mistyped_command_stays_in_its_code_span(word: str) -> None:
    key = "unknown_command"
    harmless = render(sentence(key, "en", **values_of(key)))
    assert tags(render(sentence(key, "en", **values_of(key, word=word)))) == tags(harmless)


def test_escaping_keeps_ordinary_names_readable() -> None:
    for name in (
        "Luna",
        "my_server.example.org",
        "Ada 2.0",
        "host2.example.org",
        "O'Neil",
        "露娜",
        "@ada:ex.org",
    ):
        assert escape(name) == name


def test_reasons_of_a_leave_are_not_escaped_because_nothing_reads_markdown_there() -> None:
    assert "*Ada*" in sentence("invite_denied", "en", operator="*Ada*\n")


def test_a_list_keeps_its_markdown() -> None:
    html = render(sentence("bridge_help", "en", list="- [Luna](https://matrix.to/#/@l:x)\n- Nova"))
    assert html.count("<li>") == 2 and '<a href="https://matrix.to/' in html


def test_a_value_of_any_length_stays_short() -> None:
    assert len(sentence("disclosure_more", "en", name="x" * 5000)) < 400
