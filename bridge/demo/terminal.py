"""What the demo prints: progress while starting, how to join in, and the room's messages."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Final

from prompt_toolkit import PromptSession
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bridge.demo.engine_choice import EngineChoice
from bridge.demo.person import Heard

YOU: Final = "You"
_COLOURS: Final = ("magenta", "cyan", "green", "yellow", "blue")
_MARKS_MARKDOWN: Final = ("```", "**", "`", "\n- ", "\n* ", "\n1. ", "\n|", "\n#")
_WIDEST: Final = 100


class Terminal:
    """For people at a terminal; into a pipe it writes one message a line, without decoration.

    `is_brief`: progress goes to stderr, so that stdout holds the conversation alone.
    """

    def __init__(self, *, is_brief: bool = False) -> None:
        self.console = Console(highlight=False)
        self.progress = Console(stderr=True, highlight=False) if is_brief else self.console
        self.is_interactive = sys.stdin.isatty() and self.console.is_terminal and not is_brief
        self._status = self.progress.status("") if self.progress.is_terminal else None
        self._step = ""
        self._since_s = time.monotonic()
        self._last_sender = ""

    # -- starting

    def open(self, version: str) -> None:
        if self.is_interactive:
            self.progress.print(f"\n[bold]Matrix AI Bridge[/bold] [dim]{version} · demo[/dim]\n")

    def step(self, what: str) -> None:
        """Something that takes a moment begins; with a colon, its details change."""
        name = what.partition(":")[0]
        is_new, self._step = name != self._step, name
        if is_new:
            self._since_s = time.monotonic()
        if self._status is not None:
            self._status.update(f"{escape(what)} …")
            self._status.start()
        elif is_new:
            self.progress.print(f"{escape(what)} …", soft_wrap=True)

    def done(self, what: str) -> None:
        """The step has come to its end, and this is there now."""
        took_s = time.monotonic() - self._since_s
        self._step = ""
        if self._status is not None:
            self._status.stop()
            took = f"[dim]{took_s:.1f} s[/dim]" if took_s >= 0.1 else ""
            self.progress.print(f"[green]✓[/green] {escape(what)}  {took}")

    def fail(self, why: str) -> None:
        """It did not work, and why."""
        self.pause()
        self.progress.print(Text(f"✗ {why}", style="red"), soft_wrap=True)

    def pause(self) -> None:
        if self._status is not None:
            self._status.stop()

    async def ask(self, question: str) -> bool:
        """True only for an explicit yes."""
        self.pause()
        self.console.print(Text(question))
        session: PromptSession[str] = PromptSession()
        try:
            answer = await session.prompt_async("  Type yes to do it: ", handle_sigint=False)
        except EOFError:
            return False
        except KeyboardInterrupt:
            raise asyncio.CancelledError from None
        return answer.strip().lower() in ("yes", "y")

    # -- how to join in

    def welcome(
        self, *, url: str, user_id: str, password: str, status_url: str, engine: EngineChoice
    ) -> None:
        self.pause()
        if not self.console.is_terminal:
            for what, value in (
                ("Engine", f"{engine.label} ({engine.reason})"),
                ("Homeserver", url),
                ("User", user_id),
                ("Password", password),
                ("Status", status_url),
            ):
                self.console.print(Text(f"{what}: {value}"), soft_wrap=True)
            return
        is_demo = engine.kind == "demo"
        label = engine.label if is_demo else f"{engine.label} on Ollama at {engine.url}"
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        table.add_row("Homeserver", url)
        table.add_row("User", user_id)
        table.add_row("Password", password)
        table.add_row("Status page", status_url)
        table.add_row("", "")
        table.add_row("Replies", Text(label, style="yellow bold" if is_demo else "green bold"))
        table.add_row("", Text(engine.reason, style="dim"))
        panel = Panel(
            table,
            title="Join in with Element or any Matrix client on this machine",
            title_align="left",
            border_style="yellow" if is_demo else "green",
            padding=(1, 2),
            width=min(self.console.width, _WIDEST),
        )
        self.console.print(Padding(panel, (1, 0)))

    def rule(self, title: str) -> None:
        if self.console.is_terminal:
            width = min(self.console.width, _WIDEST)
            line = Rule(Text(title, style="dim"), style="dim", align="left")
            self.console.print(line, width=width)

    def note(self, text: str) -> None:
        """A remark of the demo's own."""
        self.console.print(Text(text, style="dim"), soft_wrap=not self.console.is_terminal)

    def hang_up(self) -> None:
        """The terminal has gone: say no more."""
        self.pause()
        self.console.quiet = self.progress.quiet = True

    # -- the room

    def show(self, heard: Heard, names: Mapping[str, str], own: str) -> None:
        """One message of the room."""
        name = YOU if heard.sender == own else names.get(heard.sender, heard.sender)
        text = f"{heard.text} (edited)" if heard.is_edit else heard.text
        if not self.console.is_terminal:
            self.console.print(Text(f"{name}: {text}"), soft_wrap=True)
            return
        if heard.sender == own and self._last_sender not in ("", own):
            self.console.print()
        self._last_sender = heard.sender
        table = Table.grid(padding=(0, 2), pad_edge=False)
        column = max(cell_len(known) for known in (YOU, *names.values()))
        table.add_column(width=max(column, min(cell_len(name), 2 * column)), no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        table.add_row(Text(name, style=_style(heard.sender, names, own)), _body(heard, text))
        self.console.print(table, width=min(self.console.width, _WIDEST))


def _style(sender: str, names: Mapping[str, str], own: str) -> str:
    if sender == own:
        return "bold"
    if sender not in names:
        return "bold white"
    return f"bold {_COLOURS[sorted(names).index(sender) % len(_COLOURS)]}"


def _body(heard: Heard, text: str) -> RenderableType:
    if heard.is_notice:
        return Text(text, style="dim")
    if heard.is_generated and any(mark in f"\n{text}" for mark in _MARKS_MARKDOWN):
        return Markdown(text)
    return Text(text)
