"""`matrix-ai-bridge replay`: play conversation files and say who answered what, and why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.errors import ScenarioError
from bridge.replay.expect import failures_of
from bridge.replay.scenario import MessagePart, Scenario, load
from bridge.replay.stage import Played, Reply, play


def main(files: list[Path], *, as_json: bool) -> int:
    """Play the files; returns 0 where all expectations hold, 1 where one doesn't, 2 on bad input.

    Prints one table, or with `as_json` one JSON object, for each file.
    """
    console = Console()
    status = 0
    for path in files:
        try:
            scenario = load(path)
            played = asyncio.run(play(scenario))
        except ScenarioError as error:
            Console(stderr=True).print(escape(str(error)), style="red", soft_wrap=True)
            status = 2
            continue
        failures = failures_of(scenario, played)
        if as_json:
            print(json.dumps(as_object(path, scenario, played, failures), ensure_ascii=False))
        else:
            _print(console, scenario, played, failures)
        if failures and status == 0:
            status = 1
    return status


def as_object(
    path: Path, scenario: Scenario, played: Played, failures: list[str]
) -> dict[str, object]:
    """The outcome of one file, as docs/scenarios.md describes it."""
    answers: dict[str, list[dict[str, object]]] = {}
    for reply in played.replies:
        answers.setdefault(str(reply.to), []).append(
            {
                "puppet": reply.puppet,
                "kind": reply.kind,
                "reason": reply.reason,
                "at_s": round(reply.at_s, 3),
            }
        )
    return {
        "file": str(path),
        "name": scenario.name,
        "ok": not failures,
        "answers": answers,
        "ai_messages": played.ai_messages,
        "asked_model": played.asked_model,
        "tokens": played.tokens,
        "failures": failures,
    }


def _print(console: Console, scenario: Scenario, played: Played, failures: list[str]) -> None:
    table = Table(title=escape(scenario.name), title_justify="left", expand=False)
    for heading in ("#", "at", "who", "says", "answered by", "why"):
        table.add_column(heading, overflow="fold")
    for number, message in enumerate(scenario.messages, start=1):
        replies = [reply for reply in played.replies if reply.to == number]
        table.add_row(
            str(number),
            f"{message.arrives_at:g} s",
            message.sender,
            escape(_what(message)),
            escape(", ".join(_who(reply) for reply in replies) or "nobody"),
            played.reasons.get(number, ""),
        )
    console.print(table)
    for failure in failures:
        console.print(f"  ✗ {escape(failure)}", style="red", soft_wrap=True)
    if not failures:
        console.print("  ✓ as expected", style="green")


def _who(reply: Reply) -> str:
    match reply.kind:
        case "reaction":
            return f"{reply.puppet} ({reply.text})"
        case "notice":
            return f"{reply.puppet} (notice)"
        case _:
            return reply.puppet


def _what(message: MessagePart) -> str:
    if message.redacts:
        return f"(redacts {message.redacts})"
    if message.react:
        return f"(reacts {message.react} to {message.to})"
    if message.event:
        return f"({message.event}: {message.of})"
    text = message.text or f"(image {message.image})"
    return f"(edits {message.edit_of}) {text}" if message.edit_of else text
