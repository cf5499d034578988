"""Which links may be clicked, and a text whose links say where they go.

On the list are http, https and mailto. What names a Matrix user is no link but the user's id, so
that no reply makes a mention; any other address is shown as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from bridge.policy.code import code_ranges, is_within

SCHEMES: Final = frozenset({"http", "https", "mailto"})

_TARGET: Final = r"<?([^\s<>()]{1,2000}(?:\([^\s<>()]{0,200}\)[^\s<>()]{0,500})?)>?"
_INLINE: Final = re.compile(
    rf"(!?)\[([^\[\]\n]{{0,300}})\]\(\s{{0,9}}{_TARGET}(?:\s[^)\n]{{0,300}})?\)"
)
_DEFINITION: Final = re.compile(
    rf"^ {{0,3}}\[[^\[\]\n]{{1,300}}\]:[ \t]*{_TARGET}.*$", re.MULTILINE
)
_ADDRESS: Final = re.compile(
    r"<?(?<![\w/])(?:[a-z][a-z0-9+.-]{1,20}://|(?:javascript|vbscript|view-source):(?=\S)"
    r"|data:(?=[a-z]+/)|(?:tel|sms):(?=\+?\d)|magnet:(?=\?)|matrix:(?=(?:u|r|roomid|e)/))"
    r"[^\s<>`\"“”«»]{0,2000}>?",
    re.IGNORECASE,
)
_TAIL: Final = re.compile(r"[.,;:!?)\]}*_~'’]*>?\Z")
_HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
_USERINFO: Final = re.compile(r"(https?://)[^\s/?#\\]*@", re.IGNORECASE)
_MATRIX_TO: Final = re.compile(r"https?://(?:www\.)?matrix\.to\.?(?::\d+)?/", re.IGNORECASE)
_MATRIX_URI: Final = re.compile(r"matrix:u/", re.IGNORECASE)

Plain = Callable[[re.Match[str]], str]


def may_be_clicked(address: str) -> bool:
    """Is the address on the list, and does it lead where it seems to?"""
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    if parts.scheme not in SCHEMES or "\\" in address:
        return False
    if parts.scheme == "mailto":
        return not parts.netloc
    return bool(host) and "@" not in parts.netloc and host.removeprefix("www.") != "matrix.to"


def with_plain_links(text: str) -> str:
    """The text with every link that may not be clicked made plain."""
    if ":" not in text:
        return text
    for pattern, plain in ((_INLINE, _plain), (_DEFINITION, _kept), (_ADDRESS, _address)):
        text = _outside_of_code(text, pattern, plain)
    return text


def _outside_of_code(text: str, pattern: re.Pattern[str], plain: Plain) -> str:
    code = code_ranges(text)
    return pattern.sub(lambda m: m.group() if is_within(m.start(), code) else plain(m), text)


def _plain(link: re.Match[str]) -> str:
    """A link of Markdown; one without a scheme leads nowhere, and may stay."""
    label, target = link.group(2), link.group(3)
    shown = _shown(target)
    if shown == target:
        return link.group()
    if _HTTP.match(shown):
        return f"{link.group(1)}[{label}]({shown})"
    return f"{label} ({shown})" if label.strip() not in {"", shown} else shown


def _kept(definition: re.Match[str]) -> str:
    target = definition.group(1)
    return definition.group() if _shown(target) == target else ""


def _address(found: re.Match[str]) -> str:
    """An address that stands in the text, without the punctuation that ends it."""
    address = found.group()
    core = address.removeprefix("<")
    tail = _TAIL.search(core)
    end = tail.start() if tail else len(core)
    shown = _shown(core[:end])
    return address if shown == core[:end] else shown + core[end:].removesuffix(">")


def _shown(address: str) -> str:
    """An address as it may be shown: as it is, as the id it names, or as code."""
    if user := _user(address):
        return user
    if _HTTP.match(address):
        return _USERINFO.sub(r"\1", address)
    scheme, colon, _ = address.partition(":")
    if not colon or scheme.lower() in SCHEMES or not re.fullmatch(r"[A-Za-z][\w+.-]*", scheme):
        return address
    return f"`{address}`"


def _user(address: str) -> str:
    """The id of the Matrix user that the address names, or ""."""
    if _MATRIX_TO.match(address):
        _, _, named = address.partition("#/")
        named = unquote(unquote(named)).partition("?")[0]
    elif _MATRIX_URI.match(address):
        named = "@" + unquote(unquote(address[len("matrix:u/") :])).partition("?")[0]
    else:
        return ""
    return named.partition("/")[0] if named.startswith("@") else ""
