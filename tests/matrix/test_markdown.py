"""A model's Markdown becomes the HTML that Matrix clients show, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.matrix.markdown import to_html


@pytest.mark.parametrize(
    "text",
    [
        "Hello.",
        "a < b & c > d",
        'She said "no".',
        "two\nlines",
        "two\n\nparagraphs & more",
        "https://example.org/a_b_c",
        "日本語 🙂",
        "",
        "  ",
    ],
)
def test_plain_text_needs_no_html(text: str) -> None:
    assert to_html(text) is None


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**b** *i*", "<p><strong>b</strong> <em>i</em></p>"),
        ("~~gone~~", "<p><s>gone</s></p>"),
        ("`x < 1`", "<p><code>x &lt; 1</code></p>"),
        ("*a*\nb", "<p><em>a</em><br>\nb</p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>'),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
        ("```py\nx\n```", '<pre><code class="language-py">x\n</code></pre>'),
        (
            "[a](https://x.org)",
            '<p>a (<a href="https://x.org">https://x.org</a>)</p>',
        ),
        ("<https://x.org/a>", '<p><a href="https://x.org/a">https://x.org/a</a></p>'),
        ("<a@x.org>", '<p><a href="mailto:a@x.org">a@x.org</a></p>'),
        (r"\*a\*", "<p>*a*</p>"),
    ],
)
def test_markup_becomes_html(text: str, html: str) -> None:
    assert to_html(text) == html


def test_a_table_becomes_a_table() -> None:
    html = to_html("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert html is not None
    assert "<td>1</td>" in html
    assert "style" not in html


def test_html_of_the_model_is_text() -> None:
    html = to_html("**x** <script>alert(1)</script> <img src=x onerror=y> <b>c</b>")
    assert html is not None
    assert set(re.findall(r"</?(\w+)", html)) == {"p", "strong"}


def test_a_picture_is_its_alternative_text() -> None:
    assert to_html("see ![a *cat*](https://x.org/c.png)") == "<p>see a cat</p>"


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "ftp://x.org", "file:///etc/passwd"]
)
def test_a_link_that_clients_should_not_follow_leads_nowhere(link: str) -> None:
    assert "href" not in (to_html(f"**x** [a]({link})") or "")


@pytest.mark.parametrize("link", ["http://x.org", "mailto:a@x.org", "https://x.org/é(b)?c=d#e"])
def test_links_of_the_list_are_kept_as_they_are(link: str) -> None:
    assert to_html(f"[a]({link})") == f'<p>a (<a href="{link}">{link}</a>)</p>'


@pytest.mark.parametrize(
    "link",
    [
        "matrix:u/a:x.org",
        "https://matrix.to/#/@a:x.org",
        "HTTPS://Matrix.To/#/%40a:x.org",
        "https://matrix.to/#/#room:x.org",
        "https://bank.example@evil.example/",
        "mxc://x.org/abc",
        "//x.org",
        "x.org",
    ],
)
def test_what_is_not_on_the_list_is_shown_and_cannot_be_clicked(link: str) -> None:
    html = to_html(f"[a]({link})")
    assert html == f"<p>a (<code>{link}</code>)</p>"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("*a* &#64;room", "@room"),
        ("*a* &#x202E;b", "\u202e"),
        ("<https://x.org/%E2%80%AEb>", "\u202e"),
        ("[a](https://x.org/&#x202E;b)", "\u202e"),
        ("*a* &lt;m id=3&gt;", "&lt;m"),
    ],
)
def test_the_html_shows_nothing_that_the_text_does_not(text: str, hidden: str) -> None:
    assert hidden not in (to_html(text) or "").replace("&amp;lt;", "")


def test_a_code_class_is_a_language_and_nothing_else() -> None:
    assert "class" not in (to_html('```x"y\ncode\n```') or "")


_MARKDOWN = st.text(alphabet="*_`~[]()<>!#|-\\\n &:/ax1\"'", max_size=120) | st.text(max_size=60)


@given(_MARKDOWN)
@settings(max_examples=200, deadline=None)
def test_no_text_makes_more_than_matrix_allows(text: str) -> None:
    html = to_html(text) or ""
    for tag, attributes in re.findall(r"<(\w+)([^>]*)>", html):
        assert tag not in {"script", "img", "style", "iframe", "input", "svg"}
        assert re.fullmatch(r'( (href|start|class)="[^"]*")*', attributes)
