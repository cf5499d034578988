"""The terminal: progress while starting, and a chat afterwards."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Final, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bridge.demo.engine_choice import EngineChoice
from bridge.demo.person import Heard, Person, Typing

_HAS_MARKUP: Final = re.compile(r"[`*|]|^(#|>|- |\d+\.)", re.MULTILINE)
_COLOURS: Final = ("magenta", "cyan", "green", "yellow", "blue")


class Terminal:
    """What the person sees. Also without a terminal (a pipe), then without colours and prompts."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.is_interactive = sys.stdin.isatty() and self.console.is_terminal
        self._status = self.console.status("") if self.console.is_terminal else None
        self._last_step = ""

    def step(self, what: str) -> None:
        """Something that takes a moment begins."""
        if self._status is not None:
            self._status.update(f"{escape(what)} …")
            self._status.start()
        elif what.partition(":")[0] != self._last_step:
            self._last_step = what.partition(":")[0]
            self.console.print(f"{escape(what)} …")

    def done(self, what: str) -> None:
        """Something has been reached."""
        if self._status is not None:
            self._status.stop()
        self.console.print(f"[green]✓[/green] {escape(what)}")

    def fail(self, why: str) -> None:
        """It did not work, and why."""
        self.pause()
        self.console.print(f"✗ {why}", style="red", markup=False)

    def pause(self) -> None:
        if self._status is not None:
            self._status.stop()

    def ask(self, question: str) -> bool:
        """True only for an explicit yes."""
        self.pause()
        self.console.print(escape(question))
        return self.console.input("  Type [bold]yes[/bold] to do it: ").strip().lower() in (
            "yes",
            "y",
        )

    def welcome(
        self, *, url: str, user_id: str, password: str, status_url: str, engine: EngineChoice
    ) -> None:
        self.pause()
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        if engine.kind == "demo":
            table.add_row("Engine", Text(engine.label, style="yellow bold"))
            table.add_row("", Text(f"because {engine.reason}", style="dim"))
        else:
            table.add_row("Engine", Text(f"{engine.label} on Ollama at {engine.url}"))
            table.add_row("", Text(engine.reason, style="dim"))
        table.add_row("Homeserver", url)
        table.add_row("User", user_id)
        table.add_row("Password", password)
        table.add_row("Operator's page", status_url)
        self.console.print(
            Panel(
                table,
                title="Join in with Element or any Matrix client on this machine",
                border_style="yellow" if engine.kind == "demo" else "green",
                expand=False,
            )
        )

    def show(self, heard: Heard, names: Mapping[str, str], own: str) -> None:
        """One message of the room."""
        if heard.sender == own:
            self.console.print(Text.assemble(("You", "bold"), ": ", heard.text))
            return
        name = names.get(heard.sender, heard.sender)
        if heard.is_notice:
            self.console.print(Text(f"{name}: {heard.text}", style="dim"))
            return
        order = sorted(names)
        is_known = heard.sender in names
        colour = _COLOURS[order.index(heard.sender) % len(_COLOURS)] if is_known else "white"
        line = Text.assemble((name, f"bold {colour}"), ": ")
        if _HAS_MARKUP.search(heard.text):
            self.console.print(line)
            self.console.print(Markdown(heard.text))
        else:
            self.console.print(line + Text(heard.text))


async def chat(
    terminal: Terminal, person: Person, room_id: str, names: Mapping[str, str], hint: str
) -> None:
    """Show the room, and send what is typed, until the input ends."""
    typing: list[str] = []
    listening = asyncio.create_task(_listen(terminal, person, room_id, names, typing))
    try:
        if terminal.is_interactive:
            terminal.console.print(hint, style="dim")
            await _converse(person, room_id, typing, listening)
        else:
            async for line in _lines(sys.stdin):
                await person.say(room_id, line)
            await asyncio.sleep(5)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def _converse(
    person: Person, room_id: str, typing: list[str], listening: asyncio.Task[None]
) -> None:
    def toolbar() -> FormattedText:
        who = " and ".join(typing)
        verb = "are" if len(typing) > 1 else "is"
        return FormattedText([("", f" {who} {verb} typing …" if typing else " ")])

    session: PromptSession[str] = PromptSession(
        erase_when_done=True, bottom_toolbar=toolbar, refresh_interval=0.3
    )
    with patch_stdout(raw=True):
        while not listening.done():
            try:
                line = await session.prompt_async("› ", handle_sigint=False)
            except (EOFError, KeyboardInterrupt):
                return
            if line.strip():
                await person.say(room_id, line.strip())
    listening.result()


async def _listen(
    terminal: Terminal, person: Person, room_id: str, names: Mapping[str, str], typing: list[str]
) -> None:
    async for what in person.listen(room_id):
        match what:
            case Heard():
                terminal.show(what, names, person.user_id)
            case Typing():
                typing[:] = [names[u] for u in what.user_ids if u in names]
            case None:
                pass


async def _lines(stream: TextIO) -> AsyncIterator[str]:
    while line := await asyncio.to_thread(stream.readline):
        if line.strip():
            yield line.strip()
