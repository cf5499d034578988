"""What of a model's answer may reach the room.

Models are told the rules of the house; this is what holds when they do not keep them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bridge.policy.code import block_ranges, code_ranges, is_within, open_fence
from bridge.policy.control import without_tokens
from bridge.policy.echo import Secrets
from bridge.policy.invisible import strip_invisible
from bridge.policy.lines import Names, begins_as_anothers, own_lines
from bridge.policy.links import with_plain_links
from bridge.policy.lookalike import read

MAX_REPLY_CHARS: Final = 12_000
_MAX_ROUNDS: Final = 8
_ROOM_PING: Final = re.compile(r"@\[?(?=room\b)", re.IGNORECASE)

_THOUGHT = r"(?:think(?:ing)?|thought|reason(?:ing)?|reflection|analysis|scratchpad)"
_THOUGHT_OPEN: Final = re.compile(
    rf"(?<!`)(?:<{_THOUGHT}>|\[THINK\]|◁think▷|<\|(?:channel>thought|START_THINKING\|>))(?!`)",
    re.IGNORECASE,
)
_THOUGHT_CLOSE: Final = re.compile(
    rf"(?<!`)(?:</{_THOUGHT}>|\[/THINK\]|◁/think▷|<channel\|>|<\|END_THINKING\|>)(?!`)",
    re.IGNORECASE,
)
_MAY_BE_MARKUP: Final = re.compile(r"<(?!think)\w+>", re.IGNORECASE)
_FINAL_CHANNEL = "<|channel|>final<|message|>"

_SENTENCE_END: Final = re.compile(r"[.!?…؟](?:[\"'”’»)\]*_]*)(?=\s|$)|[。！？](?:[」』”’）*_]*)")
_STUTTER: Final = re.compile(r"(\S[^\n]{10,200}?[.!?。！？])(?:\s*\1){2,}")


def clean_reply(
    raw: str,
    *,
    speaker: Sequence[str],
    others: Iterable[str],
    secrets: Sequence[str] = (),
    was_cut: bool = False,
    max_chars: int = MAX_REPLY_CHARS,
) -> str:
    """The speaker's own words of a model's answer, "" when nothing is left.

    `speaker`, `others`: names that lines may be tagged with. `secrets`: texts that must not be
    recited. `was_cut`: the answer ended because it was too long.
    """
    names = Names(speaker, others)
    unspoken = Secrets(secrets)
    text = strip_invisible(raw).strip()
    ending = text[-12:]
    for _ in range(_MAX_ROUNDS):
        before = text
        text = _cleaned(text, names, unspoken)
        if text == before:
            break
    else:
        # What is still taken out of it grows anew: it was built for that.
        return ""
    if len(text) > max_chars:
        text, was_cut = text[:max_chars], True
    elif not text.endswith(ending):
        was_cut = False
    if was_cut:
        text = _without_loose_end(text)
    return _without_room_ping(text.strip())


def is_undecided(draft: str, *, speaker: Sequence[str], others: Iterable[str]) -> bool:
    """Does an answer that goes on begin with somebody else's name? Only more of it tells whose line
    that is."""
    text = without_tokens(_without_thoughts(strip_invisible(draft).strip())).strip()
    return begins_as_anothers(text, Names(speaker, others))


def _cleaned(text: str, names: Names, unspoken: Secrets) -> str:
    """Each rule once: what one takes out may bring together what another forbids."""
    text = without_tokens(_without_thoughts(text)).strip()
    text = own_lines(text, names)
    text = unspoken.left_out_of(text)
    text = _without_repetition(text)
    return with_plain_links(text).strip()


def _without_room_ping(text: str) -> str:
    """Nobody is called by `@room`, however it is written: the letters stay, what calls goes."""
    seen = read(text)
    calls = {match.start() for match in _ROOM_PING.finditer(text)}
    calls |= {seen.at[match.start()] for match in _ROOM_PING.finditer(seen.text)}
    return "".join(f"{c}\u200b" if n in calls else c for n, c in enumerate(text))


def _without_thoughts(text: str) -> str:
    if _FINAL_CHANNEL in text:
        return text.rpartition(_FINAL_CHANNEL)[2]
    if text.lstrip().startswith("<|channel|>"):
        return ""
    while thought := _thought_in(text):
        text = text[: thought[0]] + text[thought[1] :]
    # Some chat templates open the thought in the prompt, so that only its end is written.
    while closing := next(_outside_of_code(_THOUGHT_CLOSE, text), None):
        text = text[closing.end() :]
    return text


def _thought_in(text: str) -> tuple[int, int] | None:
    """Where the first thought stands. One that never ends goes on to the end of the text."""
    for opening in _outside_of_code(_THOUGHT_OPEN, text):
        if closing := _THOUGHT_CLOSE.search(text, opening.end()):
            return opening.start(), closing.end()
        if not _MAY_BE_MARKUP.fullmatch(opening.group()):
            return opening.start(), len(text)
    return None


def _outside_of_code(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    code = block_ranges(text)
    return (match for match in pattern.finditer(text) if not is_within(match.start(), code))


def _without_repetition(text: str) -> str:
    """Runs of three and more equal lines, or equal sentences in a line, become one."""
    code = code_ranges(text)
    lines = text.split("\n")
    kept: list[str] = []
    start = 0
    repeats = 0
    last = ""
    pending: list[str] = []
    for line in lines:
        is_code = is_within(start, code)
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
    if fence := open_fence(text):
        return f"{text}\n{fence}"
    end = max((match.end() for match in _SENTENCE_END.finditer(text)), default=0)
    if end * 3 >= len(text):
        return text[:end]
    return f"{text}…" if text else ""
