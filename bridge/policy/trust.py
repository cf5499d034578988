"""What of a model's answer may reach the room, and what of the room's text may reach a model.

Models are told the rules of the house; this is what holds when they do not keep them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

MAX_REPLY_CHARS: Final = 12_000
ECHO_WORDS: Final = 8
"""So many words running from the card or the rules are an echo of them."""
_ECHO_CJK: Final = 16
"""The same for scripts without spaces, in characters."""

_KEPT_FORMAT: Final = frozenset("\u200c\u200d")
"""Joiners that Persian and Indic words and emoji are made with."""
_NEWLINES: Final = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_ROOM_PING: Final = re.compile(r"@(room)\b", re.IGNORECASE)

_THOUGHT = r"(?:think(?:ing)?|thought|reason(?:ing)?|reflection|analysis|scratchpad)"
_THOUGHT_OPEN: Final = re.compile(
    rf"(?<!`)(?:<{_THOUGHT}>|\[THINK\]|◁think▷|<\|(?:channel>thought|START_THINKING\|>))(?!`)",
    re.IGNORECASE,
)
_THOUGHT_CLOSE: Final = re.compile(
    rf"(?<!`)(?:</{_THOUGHT}>|\[/THINK\]|◁/think▷|<channel\|>|<\|END_THINKING\|>)(?!`)",
    re.IGNORECASE,
)
_FINAL_CHANNEL = "<|channel|>final<|message|>"

_TOKEN = (
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>|</?(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|</?s>(?!\w)"
    r"|\[/?INST\]|<</?SYS>>|\[/?(?:TOOL_CALLS|AVAILABLE_TOOLS|SYSTEM_PROMPT)\]"
)
_TEMPLATE_TOKEN: Final = re.compile(_TOKEN)
_LEADING_TOKENS: Final = re.compile(
    rf"\s*(?:(?:{_TOKEN})\s*)+(?:(?:assistant|model)\b:?\s*(?:(?:{_TOKEN})\s*)*)?"
)
_MARKER: Final = re.compile(r"</?m(?=[\s>/])[^>\n]{0,300}>?", re.IGNORECASE)
_LINE_MARKER: Final = re.compile(r"<m\s+id\s*=", re.IGNORECASE)
_MARKER_FROM: Final = re.compile(r"from\s*=\s*[\"'“]?([^\"'”>]*)", re.IGNORECASE)
TURN_MARK: Final = "== Your turn =="
"""First line of a prompt's tail."""

_FENCE: Final = re.compile(r"[ \t]*(`{3,}|~{3,})")
_CODE_SPAN: Final = re.compile(r"(?<!`)(`+)(?!`)[^\n]+?(?<!`)\1(?!`)")
_MAX_TAGS: Final = 10
_ROLES: Final = ("Human", "User")
_ROLE_HEADING: Final = re.compile(r"#{2,}\s*(?:Instruction|Response|Human|User|Assistant|System)\b")
_SENTENCE_END: Final = re.compile(r"[.!?…؟](?:[\"'”’»)\]*_]*)(?=\s|$)|[。！？](?:[」』”’）*_]*)")
_SENTENCE: Final = re.compile(
    r"[^\n]+?(?:[.!?…؟]+[\"'”’»)\]*_]*(?=\s|\Z)|[。！？]+[」』”’）]*|(?=\n)|\Z)[ \t]*|\n"
)
_STUTTER: Final = re.compile(r"(\S[^\n]{10,200}?[.!?。！？])(?:\s*\1){2,}")
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


def strip_invisible(text: str) -> str:
    """Without control, bidi and other invisible characters. Every kind of newline becomes `\\n`."""
    text = _NEWLINES.sub("\n", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or c in _KEPT_FORMAT or not _is_invisible(c))


def clean_reply(
    raw: str,
    *,
    speaker: Sequence[str],
    others: Sequence[str],
    secrets: Sequence[str] = (),
    was_cut: bool = False,
    max_chars: int = MAX_REPLY_CHARS,
) -> str:
    """The speaker's own words of a model's answer, "" when nothing is left.

    `speaker`, `others`: names that lines may be tagged with. `secrets`: texts that must not be
    recited. `was_cut`: the answer ended because it was too long.
    """
    text = _without_thoughts(strip_invisible(raw))
    text = _without_tokens(text)
    ending = text.rstrip()[-12:]
    text = _own_lines(text.strip(), tuple(speaker), tuple(others))
    was_cut = was_cut and text.endswith(ending)
    text = _without_echo(text, secrets)
    text = _without_repetition(text)
    text = _ROOM_PING.sub("@\u200b\\1", text)
    if len(text) > max_chars:
        text, was_cut = text[:max_chars], True
    if was_cut:
        text = _without_loose_end(text)
    return text.strip()


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs"} or "\U000e0100" <= char <= "\U000e01ef"


def _without_thoughts(text: str) -> str:
    if _FINAL_CHANNEL in text:
        return text.rpartition(_FINAL_CHANNEL)[2]
    if text.lstrip().startswith("<|channel|>"):
        return ""
    while opening := _THOUGHT_OPEN.search(text):
        closing = _THOUGHT_CLOSE.search(text, opening.end())
        text = text[: opening.start()] + (text[closing.end() :] if closing else "")
    # Some chat templates open the thought in the prompt, so that only its end is written.
    while closing := _THOUGHT_CLOSE.search(text):
        text = text[closing.end() :]
    return text


def _without_tokens(text: str) -> str:
    """Up to the first template token: what follows it is another turn, made up."""
    if leading := _LEADING_TOKENS.match(text):
        text = text[leading.end() :]
    code = _code_ranges(text)
    for token in _TEMPLATE_TOKEN.finditer(text):
        is_struck_text = token.group() in {"<s>", "</s>"} and "<s>" in text and "</s>" in text
        if not _is_within(token.start(), code) and not is_struck_text:
            return text[: token.start()]
    return text


def _own_lines(text: str, speaker: tuple[str, ...], others: tuple[str, ...]) -> str:
    """Without the tag of the speaker, and up to the first line that is somebody else's."""
    own_names = {name.casefold() for name in speaker}
    own = _tag((*speaker, "Assistant"))
    other = _tag((*(n for n in others if n.casefold() not in own_names), *_ROLES))
    text = _from_own_line(text, own, other, speaker)
    kept: list[str] = []
    code = _code_ranges(text)
    start = 0
    for number, line in enumerate(text.split("\n")):
        is_code = _is_within(start, code)
        start += len(line) + 1
        if is_code and not _LINE_MARKER.search(line):
            kept.append(line)
            continue
        if line.startswith(TURN_MARK) or _ROLE_HEADING.match(line):
            break
        if number and (other.match(line) or _is_anothers_marker(line, speaker)):
            break
        line = _untagged(line, own) if number else line
        before, marker, _ = _split_marker(line)
        kept.append(before)
        if marker:
            break
    return "\n".join(kept).strip()


def _from_own_line(
    text: str, own: re.Pattern[str], other: re.Pattern[str], speaker: tuple[str, ...]
) -> str:
    """The answer from where the speaker's own words begin, its tags taken off."""
    lines = text.split("\n")
    if other.match(lines[0]) or _is_anothers_marker(lines[0], speaker):
        # Perhaps a whole scene was written, and our line comes later in it.
        mine = (n for n, line in enumerate(lines) if _is_mine(line, own, speaker))
        text = "\n".join(lines[next(mine, 0) :])
    text = _without_own_tags(text, own, speaker)
    if _is_anothers_marker(text, speaker):
        return ""
    if not other.match(text):
        return text
    # "Nova: what do you think?" is how people address someone, no line of Nova's.
    address = re.match(r"([^\W_][^*:\[\]<\n]{0,60}):\s+(?=\S)", text)
    return f"{address.group(1)}, {text[address.end() :]}" if address else ""


def _without_own_tags(text: str, own: re.Pattern[str], speaker: tuple[str, ...]) -> str:
    for _ in range(_MAX_TAGS):
        before = text
        if (marker := _MARKER.match(text)) and not _is_anothers_marker(text, speaker):
            text = text[marker.end() :].lstrip()
        text = _untagged(text, own).lstrip()
        if text == before:
            break
    return text


def _untagged(line: str, own: re.Pattern[str]) -> str:
    tag = own.match(line)
    return line[tag.end() :] if tag else line


def _is_mine(line: str, own: re.Pattern[str], speaker: tuple[str, ...]) -> bool:
    is_marker = _MARKER.match(line) is not None
    return own.match(line) is not None or (is_marker and not _is_anothers_marker(line, speaker))


def _is_anothers_marker(line: str, speaker: tuple[str, ...]) -> bool:
    marker = _MARKER.match(line)
    if marker is None or marker.group().startswith("</"):
        return False
    author = _MARKER_FROM.search(marker.group())
    if author is None:
        return False
    name = re.sub(r"\s*\([^()]*\)\s*$", "", author.group(1)).strip().casefold()
    return name not in {own.casefold() for own in speaker}


def _split_marker(line: str) -> tuple[str, str, str]:
    """The line around the first marker: an exact one anywhere, one like it outside of code."""
    code = _code_ranges(line)
    for marker in _MARKER.finditer(line):
        if _LINE_MARKER.match(marker.group()) or not _is_within(marker.start(), code):
            return line[: marker.start()], marker.group(), line[marker.end() :]
    return line, "", ""


def _tag(names: Sequence[str]) -> re.Pattern[str]:
    """A line that begins with one of these names and a colon, as in a script."""
    ordered = sorted({n for n in names if n.strip()}, key=len, reverse=True)
    spelled = "|".join(re.escape(name) for name in ordered) or r"(?!)"
    return re.compile(
        rf"[ \t]*(?:\*\*|__|[\[\"“'])?(?:{spelled})(?:\s*\((?:AI|KI|IA|human|person)\))?"
        r"(?:\*\*|__|[\]\"”'])?\s*(?::(?=\s|\*|_|$)|：)(?:\*\*|__)?[ \t]*",
        re.IGNORECASE,
    )


def _without_echo(text: str, secrets: Sequence[str]) -> str:
    """Without the sentences that recite a secret."""
    known: set[tuple[str, ...]] = set()
    for secret in secrets:
        words = [match.group().casefold() for match in _WORD.finditer(secret)]
        known |= {run for _, run in _runs(words)}
    if not known:
        return text
    found = list(_WORD.finditer(text))
    words = [match.group().casefold() for match in found]
    echoes = [
        (found[n].start(), found[n + len(run) - 1].end()) for n, run in _runs(words) if run in known
    ]
    if not echoes:
        return text
    kept = (
        s.group()
        for s in _SENTENCE.finditer(text)
        if not any(start < s.end() and s.start() < end for start, end in echoes)
    )
    return "".join(kept).strip()


def _runs(words: Sequence[str]) -> list[tuple[int, tuple[str, ...]]]:
    """Every run of words long enough to recognise a text by, with its place."""
    runs: list[tuple[int, tuple[str, ...]]] = []
    for n in range(len(words) - ECHO_WORDS + 1):
        run = tuple(words[n : n + ECHO_WORDS])
        if sum(_is_cjk(word) for word in run) > ECHO_WORDS // 2:
            run = tuple(words[n : n + _ECHO_CJK])
            if len(run) < _ECHO_CJK:
                continue
        runs.append((n, run))
    return runs


def _is_cjk(word: str) -> bool:
    return len(word) == 1 and "\u3040" <= word <= "\ud7af"


def _without_repetition(text: str) -> str:
    """Runs of three and more equal lines, or equal sentences in a line, become one."""
    code = _code_ranges(text)
    lines = text.split("\n")
    kept: list[str] = []
    start = 0
    repeats = 0
    last = ""
    pending: list[str] = []
    for line in lines:
        is_code = _is_within(start, code)
        start += len(line) + 1
        if not line.strip() and not is_code:
            pending.append(line)
            continue
        repeats = repeats + 1 if line.strip() == last and not is_code else 0
        last = line.strip() if not is_code else ""
        if repeats < 2:
            kept += [*pending, line if is_code else _STUTTER.sub(r"\1", line)]
        elif repeats == 2:
            _drop_last(kept, last)
        pending = []
    return "\n".join(kept).rstrip()


def _drop_last(kept: list[str], line: str) -> None:
    """Take back the second of three equal lines, with the blank lines before it."""
    while kept and kept[-1].strip() != line:
        kept.pop()
    kept.pop()
    while kept and not kept[-1].strip():
        kept.pop()


def _without_loose_end(text: str) -> str:
    """Up to the last whole sentence, if that leaves a good part; else an ellipsis says it."""
    text = text.rstrip()
    if fence := _open_fence(text):
        return f"{text}\n{fence}"
    end = max((match.end() for match in _SENTENCE_END.finditer(text)), default=0)
    if end * 3 >= len(text):
        return text[:end]
    return f"{text}…" if text else ""


def _open_fence(text: str) -> str:
    """The fence that a code block was opened with and that nothing closes, or ""."""
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if match is None:
            continue
        if not fence:
            fence = match.group(1)
        elif match.group(1).startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
    return fence


def _code_ranges(text: str) -> list[tuple[int, int]]:
    """Where closed code blocks and code spans are."""
    ranges: list[tuple[int, int]] = []
    start = position = 0
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if match and not fence:
            fence, start = match.group(1), position
        elif match and match.group(1).startswith(fence) and not line.strip().strip(fence[0]):
            ranges.append((start, position + len(line)))
            fence = ""
        position += len(line) + 1
    return ranges + [span.span() for span in _CODE_SPAN.finditer(text)]


def _is_within(position: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start <= position < end for start, end in ranges)
