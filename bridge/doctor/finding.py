"""What a check found, and how it is shown."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

Level = Literal["ok", "warn", "fail", "skip"]

_COLOURS: Final[dict[Level, str]] = {"ok": "32", "warn": "33", "fail": "31;1", "skip": "2"}
_NARROWEST: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`skip`: it could not be checked because of an earlier failure. `fix`: "" where none."""

    name: str
    level: Level
    sentence: str
    fix: str = ""


def ok(name: str, sentence: str) -> Finding:
    return Finding(name=name, level="ok", sentence=sentence)


def warn(name: str, sentence: str, fix: str) -> Finding:
    return Finding(name=name, level="warn", sentence=sentence, fix=fix)


def fail(name: str, sentence: str, fix: str) -> Finding:
    return Finding(name=name, level="fail", sentence=sentence, fix=fix)


def skip(name: str, needs: str) -> Finding:
    return Finding(name=name, level="skip", sentence=f"Not checked: it needs {needs}.")


def as_table(findings: Sequence[Finding], *, width: int = 100, is_coloured: bool = False) -> str:
    """For people: level, name, sentence, and below it the fix."""
    column = max((len(f.name) for f in findings), default=0) + 2
    left = 6 + column
    lines: list[str] = []
    for finding in findings:
        label = f"{finding.level:<6}"
        if is_coloured:
            label = f"\x1b[{_COLOURS[finding.level]}m{label}\x1b[0m"
        first, *more = _wrapped(finding.sentence, width - left)
        lines.append(f"{label}{finding.name:<{column}}{first}")
        if finding.fix:
            arrow, *rest = _wrapped(finding.fix, width - left - 2)
            more += [f"→ {arrow}", *(f"  {line}" for line in rest)]
        lines += [" " * left + line for line in more]
    return "\n".join([*lines, "", _summary(findings)])


def as_json(findings: Sequence[Finding]) -> str:
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2)


def _wrapped(text: str, width: int) -> list[str]:
    width = max(width, _NARROWEST)
    return [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False)
    ] or [""]


def _summary(findings: Sequence[Finding]) -> str:
    fails = sum(finding.level == "fail" for finding in findings)
    warns = sum(finding.level == "warn" for finding in findings)
    if not fails and not warns:
        return "Everything is fine."
    parts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((fails, "failure"), (warns, "warning"))
        if count
    ]
    return f"{' and '.join(parts)}."
