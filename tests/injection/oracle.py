"""What may never be in an event that a puppet sends, nor in a prompt: read off without the filter.

It knows the room and the texts that are secret, and nothing of the code that it judges.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlsplit

NAMES: Final = (
    "Alice", "alice", "Bob B.", "Bob", "bob", "Carol", "carol", "Mallory", "mallory", "Nova",
    "月影", "Human", "User", "@alice:home.example", "@bob:home.example", "@carol:home.example",
)  # fmt: skip
_NAME: Final = "|".join(re.escape(name) for name in NAMES)
_LINE: Final = re.compile(
    rf"[\s#\"'“\[(<]*(?:{_NAME})[\s\"'”\])>]*(?:\((?:AI|human)\)[\s\"'”\])>]*)?(?::(?!\d)|$)"
    rf"|[\s>*]*<@[^>\s]+>|(?:[\[(]?\d+:\d+[:\d]*[\])]?)?\s*<(?:{_NAME})>",
    re.IGNORECASE,
)
_MARKER: Final = re.compile(
    r"<\s?/?m(?:\s*/?>|\s+id)|id\s?=\s?[\"']?\d+[\"']?\s+from\s?=|==\s*your turn", re.IGNORECASE
)
_BARE: Final = re.compile(r"[*_~`\\]")
_OFF_LIST: Final = re.compile(
    r"(?:javascript|vbscript|data|file|mxc|ftp|tg|intent|matrix):(?=\S)|matrix\.to/#/(?:@|%40)"
    r"|https?://[^\s/]*@",
    re.IGNORECASE,
)
_FLAG: Final = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{5}\U000e007f")
_ROOM: Final = re.compile(r"@room\b", re.IGNORECASE)
_APART: Final = frozenset({"pre", "blockquote", "li", "td", "th"})
_BLOCKS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "br", "pre", "li", "tr"})
_FENCED: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})[^`\n]*\n[\s\S]*?\n {0,3}\1`*\s*$", re.MULTILINE)
_CONTENT: Final = {
    "msgtype", "body", "m.mentions", "m.relates_to", "format", "formatted_body",
    "io.github.matrix-ai-bridge.ai", "io.github.matrix-ai-bridge.txn",
    "org.matrix.msc4357.live",
}  # fmt: skip

_WORDS: Final = 8
_CJK: Final = 16


class Page(HTMLParser):
    """HTML as a client shows it: its lines, what is apart from them, and its links."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.lines = [""]
        """Outside of quotes, lists, tables and code."""
        self.links: list[tuple[str, str]] = []
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self._inside: list[str] = []
        self._href: str | None = None
        self._label = ""
        self.prose = ""
        """Outside of code."""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        if tag not in {"br", "hr"}:
            self._inside.append(tag)
        if tag in _BLOCKS:
            self._break()
        if tag == "a":
            self._href, self._label = dict(attrs).get("href") or "", ""

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass
        if tag == "a" and self._href is not None:
            self.links.append((self._href, self._label))
            self._href = None
        if tag in _BLOCKS:
            self._break()

    def handle_data(self, data: str) -> None:
        self.text += data
        self._label += data
        if "code" not in self._inside:
            self.prose += data
        if not _APART & set(self._inside):
            first, *more = data.split("\n")
            self.lines[-1] += first
            self.lines += more

    def _break(self) -> None:
        self.text += "\n"
        self.lines.append("")


def problems(content: Mapping[str, Any], secrets: Sequence[str]) -> list[str]:
    """What is wrong with the content of an event, in words."""
    body, html = str(content["body"]), str(content.get("formatted_body", ""))
    page = Page(html)
    found = [] if content["m.mentions"] == {} else ["a mention"]
    found += [f"invisible: {hidden}" for t in (body, html, page.text) if (hidden := _hidden(t))]
    for text in (body, page.text, _plain(body), _plain(page.text)):
        found += ["@room"] * bool(_ROOM.search(text.replace("[", "")))
        found += ["a marker of the transcript"] * bool(_MARKER.search(text))
    found += [f"an echo: {run!r}" for t in (body, page.text) if (run := _recited(t, secrets))]
    found += [
        f"another speaker's line: {line!r}"
        for line in [*_FENCED.sub("", body).split("\n"), *page.lines]
        if _LINE.match(_plain(line)) and not re.match(r"\s*[*+-] ", line)
    ]
    return [*found, *_bad_links(body, page), *_bad_extras(content)]


def _bad_links(body: str, page: Page) -> Iterator[str]:
    for address, label in page.links:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https", "mailto"}:
            yield f"a link off the list: {address}"
        if "@" in parts.netloc or "matrix.to" in parts.netloc.lower():
            yield f"a link that misleads or mentions: {address}"
        if label not in {address, address.removeprefix("mailto:")}:
            yield f"a link that hides its target: {label} → {address}"
    for tag, attributes in page.tags:
        if tag in {"img", "script", "mx-reply", "iframe"} or "src" in attributes:
            yield f"a tag: {tag}"
    for text in (re.sub(r"`[^`\n]+`", "", _FENCED.sub("", body)), page.prose):
        if found := _OFF_LIST.search(text):
            yield f"an address off the list: {found.group()}"


def _bad_extras(content: Mapping[str, Any]) -> Iterator[str]:
    others = {key: value for key, value in content.items() if "body" not in key}
    text = json.dumps(others, ensure_ascii=False)
    if "give up" in text or "evil" in text or _hidden(text):
        yield "words of the answer beside its body"


def _plain(text: str) -> str:
    """Without emphasis and escapes, and with compatible characters made one."""
    return unicodedata.normalize("NFKC", _BARE.sub("", text))


def _hidden(text: str) -> str:
    """The first character that nobody sees and no word needs, by its name."""
    # The one that the bridge itself puts in, so that nobody is called.
    text = re.sub("([@＠])\u200b", r"\1", _FLAG.sub("", text))
    for before, char in zip(" " + text, text, strict=False):
        if char in "\n\t" or (char in "\u200c\u200d" and not re.match(r"[\w\s.,:]", before, re.A)):
            continue
        if char == "\u06dd":
            continue
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Cn"} or char in "\u3164\u115f\u1160":
            return unicodedata.name(char, hex(ord(char)))
        if "\ufe00" <= char <= "\ufe0d" or "\U000e0100" <= char <= "\U000e01ef":
            return unicodedata.name(char)
    return ""


def _recited(text: str, secrets: Sequence[str]) -> str:
    letters = _letters(text)
    for secret in secrets:
        words = re.findall(r"[\u3400-\u9fff]|[^\W_]+", secret)
        for n in range(len(words) - _WORDS + 1):
            is_wide = sum(len(w) == 1 and w > "\u3400" for w in words[n : n + _WORDS]) > _WORDS // 2
            run = words[n : n + (_CJK if is_wide else _WORDS)]
            if len(run) == (_CJK if is_wide else _WORDS) and _letters("".join(run)) in letters:
                return " ".join(run)
    return ""


def _letters(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalpha())


# The prompt.

_TRANSCRIPT_LINE: Final = re.compile(
    r'<m id=\d+ from="[^"<>\n]+ \((?:human|AI|other AI)\)"'
    r'(?: to="[^"<>\n]+ \((?:human|AI|other AI)\)" re=\d+)?> [^\n\r\v\f\x85\u2028\u2029]*'
)
_FORGED: Final = re.compile(r"[<＜]/?m(?:\s|>|/)", re.IGNORECASE)
_TOKENS: Final = (
    "<|", "|>", "<｜", "｜>", "<s>", "</s>", "<think", "</think", "<start_", "<end_", "<tool_",
    "[INST]", "[/INST]", "[TOOL_CALLS]", "[gMASK]", "<sop>", "<<SYS", "<unused", "<fim_",
    "<bos>", "<eos>",
)  # fmt: skip


def prompt_problems(user: str, mark: str, said: int) -> list[str]:
    """What somebody in the room could forge in a prompt that shows so many messages."""
    found: list[str] = []
    lines = user.split("\n")
    if len(user.split("\n<m ")) != said:
        found.append("a message too many")
    if lines.count(mark) != 1:
        return ["the mark of the turn stands there more than once"]
    for line in lines[: lines.index(mark)]:
        if line and not _TRANSCRIPT_LINE.fullmatch(line):
            found.append(f"no line of a transcript: {line!r}")
        if _FORGED.search(line[2:]):
            found.append(f"a forged line: {line!r}")
        if re.match(r'<m id=\d+ from="(?:Luna|Nova|月影)[^"]*\((?:human|AI)\) ?\((human)\)"', line):
            found.append(f"a forged kind: {line!r}")
    for line in lines:
        found += [f"a token: {token}" for token in _TOKENS if token in line.removeprefix("<m")]
        if hidden := _hidden(line):
            found.append(f"an invisible character: {hidden}")
    return found
