"""Lines of a transcript in an answer: whose they are, and where the speaker's own words end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.domain.cast import Cast
from bridge.domain.history import Said
from bridge.domain.persona import Puppet
from bridge.domain.room import Room
from bridge.policy.code import Range, block_ranges, code_ranges, is_within
from bridge.policy.lookalike import Read, name_key, read

TURN_MARK: Final = "== Your turn =="
"""First line of a prompt's tail."""

_TURN_MARK: Final = re.compile(r"=+ ?your turn ?=+")
_MARKER: Final = re.compile(r"</?\s?m(?:\s*/?>|\s+(?:id|from|to|re)\b[^>\n]{0,300}>?)")
_LINE_MARKER: Final = re.compile(
    r"(?:[<(\[{]\s*)?(?:\bm\s+)?\bid\s?=\s?[\"'“”]?\d+[\"'“”]?\s+(?:from|to|re)\s?="
    r"|<\s?m\s+(?:id|from)\s?="
)
"""One that stands in code, too, is no example of anything."""
_MARKER_FROM: Final = re.compile(r"from\s*=\s*[\"'“]?([^\"'”>]*)")
_ROLES: Final = ("Human", "User")
_ROLE_HEADING: Final = re.compile(
    r"\#{2,}\s*(?:instruction|response|human|user|assistant|system)\s*:"
    r"|\#{3}\s*(?:instruction|response|human|user|assistant)\s*$"
)
_FALLBACK: Final = re.compile(r"[\s>]*<@[^\s:<>]{1,255}:[^\s<>]{1,255}>")
"""How clients of old quote what a reply replies to, and clients of today take away."""

_KIND: Final = re.compile(r"\s*\((?:other )?(?:ai|ki|ia|human|person|bot)\)$")
_LEAD: Final = re.compile(
    r"\s*(?:\#{1,6} +)?(?:[\[(<]?\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?: ?[ap]m)?[\])>]?\s*[-–—|]?\s*)?"
)
_BULLET: Final = re.compile(r"[ \t]*[*+-][ \t]")
"""What follows one is an item about somebody, no line of theirs."""
_OPENING: Final = "\"'“”„‟«»‹›「『[({<@ "
_CLOSING: Final = "\"'“”‟«»‹›」』])}> "
_COLON: Final = re.compile(r":(?![\d/:])(?!(?:[a-z0-9-]+\.)+[a-z]|[a-z0-9.-]+:)|>(?=\s)")
_MAX_TAG_CHARS: Final = 120
_MAX_TAGS: Final = 10
_CLOSERS: Final = re.compile(r"[*_~`\"”'’»]*")
_ADDRESS: Final = re.compile(r"([^\W_][^*:：\[\]<\n]{0,60})(?::\s+|：\s*)(?=\S)")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it was written and as it is read."""

    written: str
    seen: Read
    is_code: bool = False


class Names:
    """Of the speaker and of everybody else whose lines there may be."""

    def __init__(self, speaker: Sequence[str], others: Iterable[str]) -> None:
        self._speaker = {_key(name) for name in speaker} - {""}
        self._own = self._speaker | {_key("Assistant")}
        others = {_key(name) for name in (*others, *_ROLES)}
        self._others = others - self._speaker - {""}

    def own_tag(self, line: _Line) -> int | None:
        """Where the speaker's own tag ends that the line begins with."""
        return _end_of_tag(line, self._own)

    def has_anothers_tag(self, line: _Line) -> bool:
        is_fallback = _FALLBACK.match(line.seen.text) is not None
        return is_fallback or _end_of_tag(line, self._others) is not None

    def has_anothers_marker(self, line: _Line) -> bool:
        marker = _MARKER.match(line.seen.text.lstrip())
        if marker is None or marker.group().startswith("</"):
            return False
        author = _MARKER_FROM.search(marker.group())
        return author is not None and _key(author.group(1)) not in self._speaker

    def is_anothers(self, line: _Line) -> bool:
        return self.has_anothers_tag(line) or self.has_anothers_marker(line)

    def is_own(self, line: _Line) -> bool:
        is_marker = _MARKER.match(line.seen.text) is not None
        own_marker = is_marker and not self.has_anothers_marker(line)
        return own_marker or self.own_tag(line) is not None


def others_of(cast: Cast, room: Room, said: Iterable[Said], puppet: Puppet) -> frozenset[str]:
    """What everybody but this puppet is called: who is here, and who is shown in the transcript.

    Whom the transcript shows may be called by the first name, or by the name in the user id.
    """
    names = {name for other in cast.personas() if other != puppet for name in other.names()}
    for member in room.joined():
        names |= {member.user_id, member.display_name}
    for one in said:
        local = one.sender.removeprefix("@").partition(":")[0]
        names |= {one.sender, one.sender_name, one.sender_name.partition(" ")[0], local}
    return frozenset(names - {puppet.user_id, puppet.display_name, *puppet.names(), ""})


def begins_as_anothers(text: str, names: Names) -> bool:
    """Does the first line carry somebody else's name? It may be theirs, or speak to them."""
    return names.is_anothers(_first(text))


def own_lines(text: str, names: Names) -> str:
    """Without the tag of the speaker, and up to the first line that is somebody else's."""
    text = _from_own_line(text, names)
    kept: list[str] = []
    for number, line in enumerate(_lines(text)):
        if not line.is_code:
            if _TURN_MARK.search(line.seen.text) or _ROLE_HEADING.match(line.seen.text):
                break
            if number and names.is_anothers(line):
                break
            if number and (end := names.own_tag(line)) is not None:
                line = _line(line.written[end:])
        before, has_marker = _before_marker(line)
        kept.append(before)
        if has_marker:
            break
    return "\n".join(kept).strip()


def _from_own_line(text: str, names: Names) -> str:
    """The answer from where the speaker's own words begin, its tags taken off."""
    lines = [_line(line) for line in text.split("\n")]
    if names.is_anothers(lines[0]):
        # Perhaps a whole scene was written, and our line comes later in it.
        mine = (n for n, line in enumerate(lines) if names.is_own(line))
        text = "\n".join(line.written for line in lines[next(mine, 0) :])
    text = _without_own_tags(text, names)
    first = _first(text)
    if names.has_anothers_marker(first):
        return ""
    if not names.has_anothers_tag(first):
        return text
    # "Nova: what do you think?" is how people address someone, no line of Nova's.
    address = _ADDRESS.match(text)
    if address is None:
        return ""
    comma = "，" if "：" in address.group() else ", "
    return f"{address.group(1)}{comma}{text[address.end() :]}"


def _without_own_tags(text: str, names: Names) -> str:
    for _ in range(_MAX_TAGS):
        before = text
        line = _first(text)
        if (marker := _MARKER.match(line.seen.text)) and not names.has_anothers_marker(line):
            text = text[line.seen.at[marker.end()] :].lstrip()
            line = _first(text)
        if (end := names.own_tag(line)) is not None:
            text = text[end:].lstrip()
        if text == before:
            break
    return text


def _before_marker(line: _Line) -> tuple[str, bool]:
    """The line up to the first marker: an exact one anywhere, one like it outside of code."""
    seen = line.seen
    found = [m.start() for m in _LINE_MARKER.finditer(seen.text)]
    if not line.is_code:
        code = code_ranges(line.written)
        places = (m.start() for m in _MARKER.finditer(seen.text))
        found += [place for place in places if not is_within(seen.at[place], code)]
    return (line.written[: seen.at[min(found)]], True) if found else (line.written, False)


def _end_of_tag(line: _Line, names: set[str]) -> int | None:
    """Where the tag ends that the line begins with, as in a script, if it is one of these names."""
    if _BULLET.match(line.written):
        return None
    seen = line.seen.text
    lead = _LEAD.match(seen)
    start = lead.end() if lead else 0
    for colon in _COLON.finditer(seen, start, start + _MAX_TAG_CHARS):
        name = seen[start : colon.start()].lstrip(_OPENING).rstrip(_CLOSING)
        if not name or _key(name) not in names:
            continue
        return _after_tag(line.written, line.seen.at[colon.start()] + 1)
    return None


def _after_tag(written: str, end: int) -> int:
    """The end of a tag with the signs that close it, and without those that open its text."""
    closers = _CLOSERS.match(written, end)
    after = closers.end() if closers else end
    is_closed = not written[after : after + 1].strip()
    if is_closed or (after > end and written.lstrip()[:1] == written[end]):
        end = after
    return len(written) - len(written[end:].lstrip(" \t"))


def _lines(text: str) -> Iterator[_Line]:
    code: list[Range] = block_ranges(text)
    start = 0
    for written in text.split("\n"):
        yield _Line(written, read(written), is_within(start, code))
        start += len(written) + 1


def _first(text: str) -> _Line:
    return _line(text.partition("\n")[0])


def _line(written: str) -> _Line:
    return _Line(written, read(written))


def _key(name: str) -> str:
    """A name without what says that its bearer is an AI or a person, or that it is an id."""
    seen = read(name).text.lstrip(_OPENING).rstrip(_CLOSING + ":")
    seen += ")" * (seen.count("(") - seen.count(")"))
    return name_key(_KIND.sub("", seen))
