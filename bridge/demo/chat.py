"""The chat in the terminal: what is typed goes to the room, what happens there appears."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from bridge.demo.person import Heard, Person, Typing
from bridge.demo.terminal import Terminal
from bridge.errors import BridgeError

_STYLE: Final = Style.from_dict(
    {"bottom-toolbar": "noreverse fg:ansibrightblack", "placeholder": "fg:ansibrightblack"}
)
_EXAMPLE: Final = "Luna, who are you?"
_IDLE: Final = " Members answer when you name them · Ctrl-C stops everything"
_QUIET_S: Final = 5.0
"""Silence in the room after piped input has ended, before the demo ends."""
_LOOK_S: Final = 0.2
_CHUNK_BYTES: Final = 65_536


class Chat:
    """One person's chat in one room.

    `names`: display names of puppets by user id. `history`: the file of what was typed, for ↑.
    """

    def __init__(
        self,
        terminal: Terminal,
        person: Person,
        room_id: str,
        names: Mapping[str, str],
        history: Path,
    ) -> None:
        self._terminal = terminal
        self._person = person
        self._room_id = room_id
        self._names = names
        self._history = history
        self._typing: tuple[str, ...] = ()
        self._session: PromptSession[str] | None = None
        self._active_at_s = time.monotonic()

    async def run(self) -> None:
        """Until the input ends: Ctrl-C or Ctrl-D at a terminal, the end of a pipe."""
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(), name="listen")
            if self._terminal.is_interactive:
                await self._converse()
            else:
                await self._read_on()
            listening.cancel()

    async def _converse(self) -> None:
        session = self._session = PromptSession(
            history=FileHistory(str(self._history)),
            erase_when_done=True,
            reserve_space_for_menu=0,
            bottom_toolbar=self._toolbar,
            placeholder=FormattedText([("class:placeholder", _EXAMPLE)]),
            style=_STYLE,
        )
        with patch_stdout(raw=True):
            while True:
                try:
                    line = await session.prompt_async("› ", handle_sigint=False)
                except (EOFError, KeyboardInterrupt):
                    return
                await self._say(line)

    async def _read_on(self) -> None:
        async for line in _lines(sys.stdin.fileno()):
            await self._say(line)
        while True:
            if not self._typing and time.monotonic() > self._active_at_s + _QUIET_S:
                return
            await asyncio.sleep(_LOOK_S)

    async def _say(self, line: str) -> None:
        text = line.strip()
        if not text:
            return
        self._active_at_s = time.monotonic()
        try:
            await self._person.say(self._room_id, text)
        except BridgeError as error:
            self._terminal.fail(f"not sent: {text}\n  {error}")

    async def _listen(self) -> None:
        has_earlier = False
        async for what in self._person.listen(self._room_id):
            match what:
                case Heard():
                    has_earlier |= what.sender == self._person.user_id
                    self._active_at_s = time.monotonic()
                    self._terminal.show(what, self._names, self._person.user_id)
                case Typing():
                    self._typing = tuple(
                        self._names[user_id] for user_id in what.user_ids if user_id in self._names
                    )
                    if self._session is not None:
                        self._session.app.invalidate()
                case None if has_earlier:
                    self._terminal.rule("now")
                case None:
                    pass

    def _toolbar(self) -> FormattedText:
        if not self._typing:
            return FormattedText([("", _IDLE)])
        verb = "are" if len(self._typing) > 1 else "is"
        return FormattedText([("bold", f" {' and '.join(self._typing)} {verb} typing …")])


async def _lines(descriptor: int) -> AsyncIterator[str]:
    """Lines of a pipe or file. Waiting for them never holds up the end of the program."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = os.read(descriptor, _CHUNK_BYTES)
            except OSError:
                chunk = b""
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, chunk)
            except RuntimeError:  # the loop has ended
                return

    # A thread that may be left behind: neither can a read of a pipe be cancelled, nor can a loop
    # watch every kind of file.
    threading.Thread(target=read, name="stdin", daemon=True).start()
    rest = b""
    while chunk := await arrived.get():
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
