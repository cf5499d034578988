from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.policy.names import PLACE, find_name, fold, name_at, own_words, without_names

NAMES = tuple(fold(name) for name in ("Luna", "Luna (AI)", "露娜", "ルナ", "루나", "لونا", "Луна"))


@pytest.mark.parametrize(
    "text",
    [
        "Luna, hi",
        "LUNA hi",
        "luna: hi",
        "Luna",
        "Luna. Hi",
        "Luna!",
        "Luna?",
        "Luna… well",
        "Luna (AI): hi",
        "@Luna hi",
        "@[Luna (AI)] hi",
        "[Luna] hi",
        "**Luna**, hi",
        "_Luna_, hi",
        "Luna🌙 hi",
        "Luna\nhi",
        "Luna:hi",
        "@Luna：你好",
        "Luna你好",
        "Lunaさん、",
        "Luna야",
        "露娜，你好",
        "露娜你好",
        "露娜 hello",
        "ルナ、元気？",
        "ルナは元気？",
        "ルナさん、元気？",
        "ルナ大好き",
        "루나, 안녕",
        "루나야, 안녕",
        "لونا، هل",
        "لُونا، هل",
        "لـونا هل",
        "Луна, привет",
        "\u202aLuna\u202c, hi",
        "Ｌｕｎａ，你好",
        "Lu\u200bna, hi",
    ],
)
def test_a_name_stands_at_the_start(text: str) -> None:
    assert name_at(own_words(text), 0, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "Lunar",
        "Lunatic!",
        "Lunas Idee",
        "Luna's idea",
        "Luna’s idea",
        "Luna´s Idee",
        "Luna2",
        "Luna_x",
        "Luna-Park",
        "luna.example is down",
        "luna/config",
        "luna@far.example",
        "@luna:far.example hi",
        "@luna:localhost hi",
        "ルナティック",
        "ルナ・ラブグッド",
        "Лунатик",
        "لوناتيك",
        "Lúna",
        "the Luna",
        '"Luna, come"',
        "“Luna, come”",
        "„Luna, komm“",
        "«Luna, ven»",
        "»Luna, komm«",
        "‹Luna›",
        "‘Luna, come’",
        "'Luna, come'",
        "「ルナ、おいで」",
        "『ルナ』",
        "《露娜》",
        "`luna: x`",
        "``luna: x``",
        "```\nluna: x\n```",
        "```luna: x",
        "~~~\nluna\n~~~",
        "> Luna, come",
        "  > Luna, come",
        "https://luna.example/",
        "<https://luna.example>",
        "[Luna](https://luna.example)",
        "![Luna](mxc://x/y)",
        "www.luna.example",
        "",
        "https://matrix.to/#/@ai_luna:home.example",
        "ルナ́",
    ],
)
def test_no_name_stands_at_the_start(text: str) -> None:
    assert name_at(own_words(text), 0, NAMES) is None


def test_own_words_begin_behind_quoted_lines_and_code_blocks() -> None:
    assert own_words("> Nova, hi\n\nLuna, hi") == "luna, hi"
    assert own_words("```py\nnova()\n```\nLuna, why?") == "luna, why?"


def test_a_quote_in_a_line_leaves_its_place() -> None:
    assert own_words('"Hello" Luna') == f"{PLACE} luna"


def test_a_markdown_link_to_a_user_is_the_user() -> None:
    words = own_words("[Luna](https://matrix.to/#/%40ai_luna%3Ahome.example?via=x) hi")
    assert words.startswith("@ai_luna:home.example")


def test_the_longest_name_wins_and_takes_its_honorific() -> None:
    called = name_at("luna (ai), hi", 0, NAMES)
    assert called and called.end == len("luna (ai)")
    assert without_names("ルナさん、やめて", NAMES).strip() == "、やめて"


def test_a_name_inside_a_word_is_not_found() -> None:
    assert find_name("saluna and lunar but luna", NAMES)
    called = find_name("saluna and lunar but luna", NAMES)
    assert called and called.start == len("saluna and lunar but ")


@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_has_own_words(text: str) -> None:
    words = own_words(text)
    assert without_names(words, NAMES).count("luna") <= words.count("luna")


@given(st.text(alphabet="\"'`“”„«»「」[]()<>~_*@:/.\n luna", max_size=300))
def test_brackets_and_quotes_break_nothing(text: str) -> None:
    words = own_words(text)
    called = find_name(words, NAMES)
    assert called is None or words[called.start : called.end].strip("@[]").startswith("luna")


@pytest.mark.parametrize(
    "mark", ["[", '"', "„", "`", "'", "«", "```\n", "@", "![", ">\n", "_", "[a]("]
)
def test_hostile_repetition_takes_no_time(mark: str) -> None:
    own_words(mark * 20_000)
