"""Control tokens of chat templates: cut off in an answer, broken up in what the room says."""

from __future__ import annotations

import re
from typing import Final

from bridge.policy.code import code_ranges, is_within

_TOKEN = (
    r"<[|｜][^<>|｜\s]{1,60}[|｜]?>|<[A-Za-z]{2,20}[|｜]>|</?[a-z]{2,16}_(?:of_)?turn>"
    r"|</?(?:tool|function)_(?:calls?|responses?|outputs?)>|</s>(?!\w)|<s>(?!\w)"
    r"|<(?:bos|eos|pad|unk|sop|eop|eoh|eoa)>|</?seed:[a-z_]{2,30}>"
    r"|\[/?INST\]|<</?SYS>>|\[/?(?:TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|SYSTEM_PROMPT|gMASK)\]"
)
_TEMPLATE_TOKEN: Final = re.compile(_TOKEN)
_LEADING_TOKENS: Final = re.compile(
    rf"\s*(?:(?:{_TOKEN})\s*)+(?:(?:assistant|model)\b:?\s*(?:(?:{_TOKEN})\s*)*)?"
)

_OPENERS: Final = re.compile(
    r"([<＜﹤])(?=/?m(?![A-Za-z])|/?(?:s|bos|eos|pad|unk|mask|sop|eop|eoh|eoa|cls|sep)>|[|｜]"
    r"|/?think|/?[a-z0-9]+_[a-z0-9_]*>|/?seed:|unused\d|0x[0-9a-f]{2}>|/?(?:start_of|end_of)|<?/?SYS)",
    re.IGNORECASE,
)
_BRACKETS: Final = re.compile(r"\[(?=/?(?:[A-Z_]{3,20}|gMASK)\])")


def without_tokens(text: str) -> str:
    """Up to the first template token: what follows it is another turn, made up."""
    if leading := _LEADING_TOKENS.match(text):
        text = text[leading.end() :]
    code = code_ranges(text)
    for token in _TEMPLATE_TOKEN.finditer(text):
        is_struck_text = token.group() in {"<s>", "</s>"} and "<s>" in text and "</s>" in text
        if not is_within(token.start(), code) and not is_struck_text:
            return text[: token.start()]
    return text


def broken_up(line: str) -> str:
    """The line with a gap in what a model might take for a token or a line of the transcript."""
    line = _OPENERS.sub(r"\1 ", line)
    line = re.sub(r"([|｜])(?=>)", r"\1 ", line)
    return _BRACKETS.sub("[ ", line)
