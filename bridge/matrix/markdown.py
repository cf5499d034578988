"""A model's Markdown to the HTML that Matrix clients show. Pure; the HTML is sanitised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_TAGS: Final = {
    "a", "b", "blockquote", "br", "caption", "code", "del", "details", "div", "em", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES: Final = {"a": {"href"}, "ol": {"start"}, "code": {"class"}}
_SCHEMES: Final = {"http", "https", "mailto", "matrix"}
_LANGUAGE_CLASS: Final = re.compile(r"language-[\w+#.-]{1,40}")
_PLAIN_TAGS: Final = re.compile(r"</?p>|<br />")


class _Renderer(RendererHTML):
    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Only what stands for the picture: a client would fetch the address."""
        return self.renderInlineAsText(tokens[idx].children or [], options, env)


def _parser() -> MarkdownIt:
    # Newlines in a chat are meant: they stay.
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "linkify": False})
    parser.enable(["table", "strikethrough"])
    parser.renderer = _Renderer(parser)
    return parser


_PARSER: Final = _parser()


def to_html(markdown: str) -> str | None:
    """The HTML of a text, or None where the plain text says the same."""
    html = _PARSER.render(markdown)
    if _PLAIN_TAGS.sub(" ", html).split() == _escaped(markdown).split():
        return None
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_filtered,
        url_schemes=_SCHEMES,
        link_rel=None,
    ).strip()


def _filtered(tag: str, attribute: str, value: str) -> str | None:
    if tag == "code" and attribute == "class":
        return value if _LANGUAGE_CLASS.fullmatch(value) else None
    return value


def _escaped(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(char, entity)
    return text
