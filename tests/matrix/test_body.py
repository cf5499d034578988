"""What of a body its sender wrote, and whom its HTML links to."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.matrix.body import pills_of, without_fallback

LUNA = "@ai_luna:example.org"
PILL = f'<a href="https://matrix.to/#/{LUNA}">Luna</a>'


@pytest.mark.parametrize(
    ("body", "own"),
    [
        ("> <@bob:x> one\n> two\n\nanswer", "answer"),
        ("> * <@bob:x> waves\n\nanswer", "answer"),
        ("> <@bob:x> one\nanswer\n\nmore", "answer\n\nmore"),
        ("> <@bob:x> one", ""),
        ("> my own quote\n\nanswer", "> my own quote\n\nanswer"),
        ("answer\n> <@bob:x> later", "answer\n> <@bob:x> later"),
        ("", ""),
    ],
)
def test_only_a_fallback_at_the_start_is_cut_off(body: str, own: str) -> None:
    assert without_fallback(body) == own


@pytest.mark.parametrize(
    "href",
    [
        f"https://matrix.to/#/{LUNA}",
        "https://matrix.to/#/%40ai_luna%3Aexample.org",
        f"https://matrix.to/#/{LUNA}?via=example.org",
        "matrix:u/ai_luna:example.org",
        "matrix:u/ai_luna:example.org?action=chat",
    ],
)
def test_a_link_to_a_user_is_a_pill_in_each_of_its_forms(href: str) -> None:
    assert pills_of(f'<a class="x" href="{href}">Luna</a>, hello') == (LUNA,)


@pytest.mark.parametrize(
    "href",
    [
        "https://matrix.to/#/!room:example.org/$event",
        "https://matrix.to/#/#alias:example.org",
        "matrix:r/alias:example.org",
        f"https://evil.example/#/{LUNA}",
        "https://matrix.to/#/@noserver",
        "",
    ],
)
def test_other_links_are_no_pills(href: str) -> None:
    assert pills_of(f'<a href="{href}">Luna</a>') == ()
    assert pills_of("<a>Luna</a>") == ()


@pytest.mark.parametrize("tag", ["blockquote", "mx-reply", "code", "pre"])
def test_pills_in_quotes_and_code_do_not_count(tag: str) -> None:
    assert pills_of(f"<{tag}><p>{PILL}</p></{tag}>") == ()
    assert pills_of(f"<{tag}>quoted</{tag}>{PILL}") == (LUNA,)


def test_an_end_tag_ends_what_was_left_open_inside() -> None:
    assert pills_of(f"<blockquote><code>x</blockquote>{PILL}") == (LUNA,)
    assert pills_of(f"</blockquote></code>{PILL}") == (LUNA,)


def test_pills_come_once_each_in_order() -> None:
    bob = '<a href="https://matrix.to/#/@bob:x">B</a>'
    assert pills_of(bob + PILL + bob) == ("@bob:x", LUNA)


@given(st.text(alphabet="<>![]-/&;'\"= amxcode#x0\n", max_size=80))
@settings(max_examples=300, deadline=None)
def test_no_html_breaks_the_reading(html: str) -> None:
    pills_of(html)


def test_a_broken_marked_section_ends_the_reading_without_an_error() -> None:
    assert pills_of(f"{PILL}<![x[") == (LUNA,)


@pytest.mark.parametrize("piece", ["<!--", "<a ", "<", "<a a='", "&#", "<code>", "</pre>"])
def test_hostile_html_takes_no_long_time(piece: str) -> None:
    started_s = time.monotonic()
    pills_of(piece * 60_000)
    assert time.monotonic() - started_s < 2
