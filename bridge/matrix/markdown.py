"""A model's Markdown to the HTML that Matrix clients show. Pure; the HTML is sanitised.

The HTML shows no character that the Markdown has not, and a link is its address: text that hides
where it leads is put before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from bridge.policy.invisible import strip_invisible
from bridge.policy.links import SCHEMES, may_be_clicked

_TAGS: Final = {
    "a", "b", "blockquote", "br", "caption", "code", "del", "details", "div", "em", "h1", "h2",
    "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES: Final = {"a": {"href"}, "ol": {"start"}, "code": {"class"}}
_LANGUAGE_CLASS: Final = re.compile(r"language-[\w+#.-]{1,40}")
_PLAIN_TAGS: Final = re.compile(r"</?p>|<br />")


class _Renderer(RendererHTML):
    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Only what stands for the picture: a client would fetch the address."""
        return self.renderInlineAsText(tokens[idx].children or [], options, env)


class _Markdown(MarkdownIt):
    def normalizeLink(self, url: str) -> str:
        """As it is written; what could not be seen in it is encoded."""
        return url if strip_invisible(url) == url else super().normalizeLink(url)

    def normalizeLinkText(self, link: str) -> str:
        return link


def _parser() -> MarkdownIt:
    # Newlines in a chat are meant: they stay.
    parser = _Markdown("commonmark", {"html": False, "breaks": True, "linkify": False})
    parser.enable(["table", "strikethrough"])
    # `&#64;room` is no call in the plain text, and must become none in the HTML.
    parser.disable("entity")
    parser.core.ruler.push("plain_links", _show_addresses)
    parser.renderer = _Renderer(parser)
    return parser


def _show_addresses(state: StateCore) -> None:
    for token in state.tokens:
        if token.children:
            token.children = _with_addresses(token.children)


def _with_addresses(tokens: Sequence[Token]) -> list[Token]:
    shown: list[Token] = []
    start = 0
    opening: Token | None = None
    for token in tokens:
        if token.type == "link_open":
            opening, start = token, len(shown)
        elif token.type == "link_close" and opening is not None:
            address = str(opening.attrGet("href") or "")
            label = shown[start:]
            text = _text_of(label)
            if text and text in {address, address.removeprefix("mailto:")}:
                shown[start:] = _link(address, text, opening, token)
            else:
                link = _link(address, address, opening, token)
                shown[start:] = [*label, _text(" ("), *link, _text(")")] if text else link
            opening = None
        else:
            shown.append(token)
    return shown


def _link(address: str, text: str, opening: Token, closing: Token) -> list[Token]:
    """The address, to be clicked only where it is on the list."""
    if may_be_clicked(address):
        return [opening, _text(text), closing]
    return [Token("code_inline", "code", 0, content=address)]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _text_of(tokens: Sequence[Token]) -> str:
    return "".join(token.content if token.type == "text" else "\0" for token in tokens)


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
        url_schemes=set(SCHEMES),
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
