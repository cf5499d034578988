"""Who a message of a chat log is for: reader and scorer for annotated IRC logs.

The format is that of the Ubuntu IRC disentanglement corpus (Kummerfeld et al., ACL 2019): a log of
a line a message, numbered from 0, and a file of pairs "later earlier -": which message a message
answers; one that answers itself begins a conversation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.domain.ids import PuppetId
from bridge.policy.closing import called_last
from bridge.policy.names import fold, own_words
from bridge.policy.opening import called_first

_SAID: Final = re.compile(r"^\[[\d:]+\] <([^>]+)> (.*)$")
_PAIR: Final = re.compile(r"^(\d+)\s+(\d+)")
_NEAR: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`author` is "" for joins and the like."""

    author: str
    text: str


Log = Sequence[Line]
Guess = Callable[[Log, int], str]
"""The nick that a message is for, "" for nobody."""


def read_log(path: Path) -> list[Line]:
    lines: list[Line] = []
    for raw in path.read_text(encoding="utf-8", errors="replace").splitlines():
        said = _SAID.match(raw)
        lines.append(Line(author=said[1], text=said[2]) if said else Line(author="", text=raw))
    return lines


def read_links(path: Path) -> dict[int, int]:
    """The newest earlier message that each message answers."""
    links: dict[int, int] = {}
    for raw in path.read_text(encoding="utf-8").splitlines():
        if pair := _PAIR.match(raw):
            later, earlier = max(int(pair[1]), int(pair[2])), min(int(pair[1]), int(pair[2]))
            links[later] = max(earlier, links.get(later, -1))
    return links


def accuracy(log: Log, links: dict[int, int], guess: Guess) -> tuple[int, int]:
    """How many addressees are found, of how many: messages that answer another person's."""
    right = asked = 0
    for later, earlier in sorted(links.items()):
        if later >= len(log) or later == earlier:
            continue
        author, addressee = log[later].author, log[earlier].author
        if not author or not addressee or author == addressee:
            continue
        asked += 1
        right += guess(log, later) == addressee
    return right, asked


def last_speaker(log: Log, at: int) -> str:
    author = log[at].author
    return next((x.author for x in reversed(log[:at]) if x.author not in ("", author)), "")


def mention_or_last_speaker(log: Log, at: int) -> str:
    """The first nick at the start of the message, as clients complete it; else who spoke last."""
    head = re.match(r"^@?([\w\[\]\\`^{}|-]+)[:,]", log[at].text)
    nicks = {line.author for line in log[:at] if line.author}
    return head[1] if head and head[1] in nicks else last_speaker(log, at)


def by_our_rules(log: Log, at: int) -> str:
    """Whom the text calls at its start or end, as our rules read it; else the one who spoke to its
    author last, if that was near; else who spoke last."""
    author = log[at].author
    if called := _called(log, at):
        return called
    for back in range(at - 1, max(-1, at - _NEAR), -1):
        line = log[back]
        if line.author == author:
            # They go on with whom they talked to before, unless somebody spoke to them since.
            earlier = _called(log, back)
            return earlier or last_speaker(log, at)
        if line.author and _called(log, back) == author:
            return line.author
    return last_speaker(log, at)


def _called(log: Log, at: int) -> str:
    words = own_words(log[at].text)
    nicks = {line.author for line in log[:at] if line.author} - {log[at].author}
    names = {PuppetId(nick): (fold(nick),) for nick in nicks}
    found = called_first(words, names) or called_last(words, names)
    return next(iter(found), "")
