"""The embedded demo: a homeserver, a room with AI members, and a chat. Read it top to bottom."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

from bridge import app as bridge_app
from bridge import log
from bridge.demo import synapse
from bridge.demo.chat import Chat
from bridge.demo.configuration import configure
from bridge.demo.engine_choice import EngineChoice, choose_engine
from bridge.demo.folder import Folder, State, opened
from bridge.demo.lounge import open_lounge
from bridge.demo.once import Once
from bridge.demo.person import Person
from bridge.demo.terminal import Terminal
from bridge.errors import BridgeError, SetupError
from bridge.settings import Settings

T = TypeVar("T")

USER: Final = "guest"
_MAX_LOG_BYTES: Final = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`say`: one message instead of a chat. `fresh`: forget what was. `assume_yes`: to offers."""

    folder: Path
    say: str | None = None
    fresh: bool = False
    model: str | None = None
    assume_yes: bool = False


async def demo(options: DemoOptions) -> int:
    """Run the demo; returns the exit status: 1 when `say` got no answer. Raises BridgeError."""
    terminal = Terminal(is_brief=options.say is not None)
    with opened(options.folder, fresh=options.fresh) as folder:
        started = _Demo(options, folder, terminal)
        work = asyncio.create_task(started.run(), name="demo")
        with _ended_by_signals(started, work):
            await asyncio.wait({work})
        terminal.pause()
        is_told_to_stop = work.cancelled()
        status = int(options.say is not None) if is_told_to_stop else work.result()
        if options.say is None:
            terminal.note("Stopped. The next start goes on where you were.")
        elif is_told_to_stop:
            terminal.fail("Stopped before an answer came.")
        return status


@contextmanager
def _ended_by_signals(started: _Demo, work: asyncio.Task[int]) -> Iterator[None]:
    """The first signal ends the work; while things stop, more of them change nothing."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            started.terminal.hang_up()
        if not started.is_ending:
            started.is_ending = True
            work.cancel()

    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        if not work.done():
            work.cancel()
        for number in numbers:
            loop.remove_signal_handler(number)


class _Demo:
    """One start of the demo. `is_ending`: from here on everything only stops."""

    def __init__(self, options: DemoOptions, folder: Folder, terminal: Terminal) -> None:
        self.terminal = terminal
        self.is_ending = False
        self._options = options
        self._folder = folder

    async def run(self) -> int:
        """Start everything, then chat or say the one thing; stop everything."""
        folder, terminal = self._folder, self.terminal
        terminal.open(version("matrix-ai-bridge"))
        engine = await self._engine()
        python = await synapse.synapse_python(folder, terminal.step, terminal.done)
        state = folder.load()
        folder.save(state)
        settings = configure(folder, state, engine)
        config = synapse.write_config(folder, state, settings.appservice.registration)
        async with AsyncExitStack() as stack:
            stack.enter_context(_logging_to(folder.data / "bridge.log"))
            terminal.step("Starting the homeserver")
            homeserver = await stack.enter_async_context(
                synapse.running(python, config, settings.homeserver.url)
            )
            terminal.done("Homeserver: a Synapse of its own")
            return await _while_it_lives(homeserver, self._with_bridge(settings, state, engine))

    async def _engine(self) -> EngineChoice:
        options, terminal = self._options, self.terminal
        may_ask = terminal.is_interactive or options.assume_yes
        terminal.step("Looking for an Ollama")
        engine = await choose_engine(
            options.model or "",
            console=terminal.progress,
            ask=self._ask if may_ask else None,
        )
        terminal.done(f"Replies: {engine.label}")
        return engine

    async def _ask(self, question: str) -> bool:
        if self._options.assume_yes:
            self.terminal.pause()
            return True
        return await self.terminal.ask(question)

    async def _with_bridge(self, settings: Settings, state: State, engine: EngineChoice) -> int:
        terminal = self.terminal
        terminal.step("Starting the bridge")
        async with (
            bridge_app.running(settings) as app,
            Person(settings.homeserver.url) as person,
        ):
            await app.ready.wait()
            names = {str(p.user_id): p.display_name for p in app.cast.personas()}
            terminal.done(f"Bridge: {len(names)} AI members")
            terminal.step("Entering the lounge")
            await person.enter(USER, state.password, state.secret)
            room_id = await open_lounge(person, state.room_id, engine, list(names))
            self._folder.save(replace(state, room_id=room_id))
            terminal.done("Lounge: everybody is in")
            try:
                if self._options.say is not None:
                    once = Once(terminal, person, room_id, names, engine)
                    return await once.say(self._options.say)
                await self._chat(settings, state, engine, person, names, room_id)
                return 0
            finally:
                self.is_ending = True
                terminal.step("Stopping")

    async def _chat(
        self,
        settings: Settings,
        state: State,
        engine: EngineChoice,
        person: Person,
        names: Mapping[str, str],
        room_id: str,
    ) -> None:
        self.terminal.welcome(
            url=settings.homeserver.url,
            user_id=person.user_id,
            password=state.password,
            status_url=f"http://127.0.0.1:{settings.http.port}/status",
            engine=engine,
        )
        history = self._folder.data / "typed"
        await Chat(self.terminal, person, room_id, names, history).run()


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    is_full = path.exists() and path.stat().st_size > _MAX_LOG_BYTES
    with path.open("w" if is_full else "a", encoding="utf-8") as file:
        log.configure("info", "console", file)
        try:
            yield
        finally:
            log.configure("error")


async def _while_it_lives(homeserver: synapse.Synapse, work: Coroutine[Any, Any, T]) -> T:
    """Do the work; raises SetupError with its last words when the homeserver dies meanwhile."""
    working = asyncio.ensure_future(work)
    dying = asyncio.ensure_future(homeserver.died())
    try:
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return _result(working)
        raise SetupError(f"The demo's homeserver ended by itself {dying.result()}")
    finally:
        for task in (working, dying):
            task.cancel()
        await asyncio.gather(working, dying, return_exceptions=True)


def _result(working: asyncio.Future[T]) -> T:
    """Its result, or our own first error out of the groups that tasks raise it in."""
    try:
        return working.result()
    except BaseExceptionGroup as group:
        ours = group.subgroup(BridgeError)
        first: BaseException | None = ours
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if first is None:
            raise
        raise first from group
