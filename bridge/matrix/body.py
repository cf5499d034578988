"""What of a message's body its sender wrote, and whom its HTML links to."""

from __future__ import annotations

from contextlib import suppress
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote

from bridge.domain.ids import UserId

_MATRIX_TO: Final = "https://matrix.to/#/"
_MATRIX_URI: Final = "matrix:u/"
_NOT_ONES_OWN: Final = frozenset({"blockquote", "mx-reply", "code", "pre"})
_MAX_HTML_CHARS: Final = 65_536


def without_fallback(body: str) -> str:
    """A reply's body without the quote that old clients put before it.

    That one names its author: any other quote is the sender's own.
    """
    if not body.startswith(("> <@", "> * <@")):
        return body
    lines = body.split("\n")
    own = next((n for n, line in enumerate(lines) if not line.startswith(">")), len(lines))
    rest = lines[own + 1 :] if own < len(lines) and not lines[own].strip() else lines[own:]
    return "\n".join(rest)


def pills_of(html: str) -> tuple[UserId, ...]:
    """Users that the HTML links to, outside of quotes and code, in order of appearance."""
    if "<" not in html:
        return ()
    parser = _Pills()
    # The parser's way to say that a marked section (`<![`) is none: then the rest has no links.
    with suppress(AssertionError):
        parser.feed(html[:_MAX_HTML_CHARS])
    return tuple(dict.fromkeys(parser.found))


class _Pills(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[UserId] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _NOT_ONES_OWN:
            self._inside.append(tag)
        elif tag == "a" and not self._inside and (user := _linked_user(dict(attrs).get("href"))):
            self.found.append(user)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass


def _linked_user(href: str | None) -> UserId | None:
    """The user a matrix.to link or `matrix:` address names."""
    if not href:
        return None
    if href.startswith(_MATRIX_TO):
        user = unquote(href.removeprefix(_MATRIX_TO).split("?")[0])
    elif href.startswith(_MATRIX_URI):
        user = "@" + unquote(href.removeprefix(_MATRIX_URI).split("?")[0])
    else:
        return None
    return UserId(user) if user.startswith("@") and ":" in user and "/" not in user else None
