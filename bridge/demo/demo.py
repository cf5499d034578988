"""The embedded demo: a homeserver, a room with AI members, and a chat. Read it top to bottom."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bridge import app as bridge_app
from bridge import log
from bridge.demo import synapse
from bridge.demo.chat import Chat
from bridge.demo.configuration import configure
from bridge.demo.engine_choice import EngineChoice, choose_engine
from bridge.demo.folder import Folder, State, opened
from bridge.demo.person import Heard, Person
from bridge.demo.terminal import YOU, Terminal
from bridge.errors import BridgeError, SetupError
from bridge.policy.wording import sentence
from bridge.settings import Settings

USER: Final = "guest"
ROOM_NAME: Final = "AI lounge"
_HINT: Final = "Say something, such as: Luna, who are you?"
_ANSWER_S: Final = {"demo": 60.0, "ollama": 180.0}
_MORE_S: Final = {"demo": 5.0, "ollama": 60.0}
"""How long a second puppet that was named as well is waited for."""
_JOIN_S: Final = 30.0
_LOOK_S: Final = 0.1
_DYING_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`say`: one message instead of a chat. `fresh`: forget what was. `assume_yes`: to offers."""

    folder: Path
    say: str | None = None
    fresh: bool = False
    model: str | None = None
    assume_yes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is decided before anything starts."""

    options: DemoOptions
    terminal: Terminal
    folder: Folder
    state: State
    engine: EngineChoice
    settings: Settings


async def demo(options: DemoOptions) -> int:
    """Run the demo; returns the exit status: 1 when `say` got no answer. Raises BridgeError.

    Ctrl-C, SIGTERM and a terminal that closes cancel it: everything is stopped in order.
    """
    terminal = Terminal(is_brief=options.say is not None)
    with _cancelled_by(signal.SIGTERM, signal.SIGHUP):
        try:
            with opened(options.folder, fresh=options.fresh) as folder:
                return await _prepare(options, folder, terminal)
        finally:
            terminal.pause()


async def _prepare(options: DemoOptions, folder: Folder, terminal: Terminal) -> int:
    terminal.open(version("matrix-ai-bridge"))
    engine = await _engine(options, terminal)
    python = await synapse.synapse_python(folder, terminal.step)
    state = folder.load()
    folder.save(state)
    settings = configure(folder, state, engine)
    config = synapse.write_config(folder, state, settings.appservice.registration)
    terminal.step("Starting the homeserver")
    try:
        async with synapse.running(python, config, settings.homeserver.url) as homeserver:
            terminal.done(f"Synapse runs at {settings.homeserver.url}")
            stage = Stage(
                options=options,
                terminal=terminal,
                folder=folder,
                state=state,
                engine=engine,
                settings=settings,
            )
            status = await _while_it_lives(homeserver, _on_homeserver(stage))
            terminal.step("Stopping")
    finally:
        terminal.pause()
    if options.say is None:
        terminal.hint("\nStopped. The next start goes on where you were.")
    return status


async def _engine(options: DemoOptions, terminal: Terminal) -> EngineChoice:
    async def agree(_: str) -> bool:
        return True

    ask = terminal.ask if terminal.is_interactive else None
    terminal.step("Looking for an Ollama")
    return await choose_engine(
        options.model or "",
        console=terminal.progress,
        ask=agree if options.assume_yes else ask,
    )


async def _on_homeserver(stage: Stage) -> int:
    """Everything that needs a homeserver: the bridge, the person, the lounge, the conversation."""
    terminal, settings = stage.terminal, stage.settings
    terminal.step("Starting the bridge")
    with _logging_to(stage.folder.data / "bridge.log"):
        async with bridge_app.running(settings) as app, Person(settings.homeserver.url) as person:
            await app.ready.wait()
            names: dict[str, str] = {p.user_id: p.display_name for p in app.cast.personas()}
            terminal.done("The bridge runs")
            terminal.step("Entering the lounge")
            await person.enter(USER, stage.state.password, stage.state.secret)
            room_id = await _lounge(stage, person, list(names))
            terminal.done(f"{_listed(list(names.values()))} are in the lounge")
            if stage.options.say is not None:
                return await _say_once(stage, person, room_id, names, stage.options.say)
            terminal.welcome(
                url=settings.homeserver.url,
                user_id=person.user_id,
                password=stage.state.password,
                status_url=f"http://127.0.0.1:{settings.http.port}/status",
                engine=stage.engine,
            )
            terminal.rule(ROOM_NAME)
            terminal.hint(_HINT)
            await Chat(terminal, person, room_id, names).run()
            terminal.step("Stopping")
    return 0


async def _lounge(stage: Stage, person: Person, puppets: Sequence[str]) -> str:
    """The room of earlier starts, or a new one, with the puppets in it; returns its id.

    A room that somebody encrypted is left as it is: puppets don't write into those.
    """
    topic = _topic(stage.engine)
    room_id = stage.state.room_id
    room = await person.lounge(room_id) if room_id else None
    if room is None or room.is_encrypted:
        room_id = await person.make_lounge(ROOM_NAME, topic, puppets)
        stage.folder.save(replace(stage.state, room_id=room_id))
        wanted = set(puppets)
    else:
        if room.topic != topic:
            await person.set_topic(room_id, topic)
        wanted = {puppet for puppet in puppets if room.members.get(puppet) != "ban"}
        for puppet in wanted:
            if room.members.get(puppet) not in ("join", "invite"):
                await person.invite(room_id, puppet)
    for _ in range(round(_JOIN_S / _LOOK_S)):
        room = await person.lounge(room_id)
        if room is not None and all(room.members.get(puppet) == "join" for puppet in wanted):
            return room_id
        await asyncio.sleep(_LOOK_S)
    raise SetupError(
        f"Not every AI member came into the lounge within {_JOIN_S:.0f} s; "
        f"{stage.folder.data / 'bridge.log'} says why."
    )


def _topic(engine: EngineChoice) -> str:
    match engine.kind:
        case "demo":
            return sentence("demo_topic", "en", label=engine.label)
        case "ollama":
            return f"A lounge with AI members. Their replies come from {engine.label}."


async def _say_once(
    stage: Stage, person: Person, room_id: str, names: Mapping[str, str], text: str
) -> int:
    """One message and its answers: the smoke test of an installation."""
    terminal, engine = stage.terminal, stage.engine
    terminal.step("Waiting for an answer")
    limit_s = _ANSWER_S[engine.kind]
    answers: list[Heard] = []
    try:
        async with asyncio.timeout(limit_s) as limit:
            async for heard in _answers_to(person, room_id, names, text):
                answers.append(heard)
                if len(answers) >= _count_named(text, names):
                    break
                limit.reschedule(asyncio.get_running_loop().time() + _MORE_S[engine.kind])
    except TimeoutError:
        pass
    terminal.pause()
    terminal.console.print(f"{YOU}: {text}", markup=False, soft_wrap=True)
    for heard in answers:
        terminal.show(heard, names, person.user_id)
    if not answers:
        terminal.fail(
            f"Nobody answered within {limit_s:.0f} s. A member answers when its name begins the "
            f"message: {', '.join(names.values())}. The log is {stage.folder.data / 'bridge.log'}."
        )
        return 1
    if not any(heard.is_generated for heard in answers):
        terminal.fail(f"That is a fixed sentence, no reply of the engine ({engine.label}).")
        return 1
    terminal.console.print(f"Answered by: {engine.label}", markup=False, soft_wrap=True)
    return 0


async def _answers_to(
    person: Person, room_id: str, names: Mapping[str, str], text: str
) -> AsyncIterator[Heard]:
    """Say it, and yield what puppets reply to it."""
    event_id = "-"
    async for what in person.listen(room_id):
        if what is None:
            event_id = await person.say(room_id, text)
        elif isinstance(what, Heard) and what.sender in names and what.reply_to == event_id:
            yield what


def _count_named(text: str, names: Mapping[str, str]) -> int:
    """How many members the text names: so many answers may come."""
    folded = text.casefold()
    return sum(name.split(" (")[0].casefold() in folded for name in names.values()) or 1


async def _while_it_lives(homeserver: synapse.Synapse, work: Coroutine[Any, Any, int]) -> int:
    """Do the work; raises SetupError with its last words when the homeserver dies meanwhile."""
    async with asyncio.TaskGroup() as group:
        working = group.create_task(_outcome(work), name="work")
        dying = group.create_task(homeserver.died(), name="homeserver")
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        if working.done() and isinstance(working.result(), BridgeError):
            # Whatever went wrong, a homeserver that is gone is the reason.
            await asyncio.wait({dying}, timeout=_DYING_S)
        last_words = dying.result() if dying.done() else ""
        working.cancel()
        dying.cancel()
    outcome = None if working.cancelled() else working.result()
    if last_words and not isinstance(outcome, int):
        raise SetupError(f"The demo's homeserver ended by itself {last_words}")
    if isinstance(outcome, BridgeError):
        raise outcome
    return outcome or 0


async def _outcome(work: Coroutine[Any, Any, int]) -> int | BridgeError:
    """What the work returns, or our own error that ended it."""
    try:
        return await work
    except BridgeError as error:
        return error
    except BaseExceptionGroup as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if isinstance(found, BridgeError):
            return found
        raise


@contextmanager
def _cancelled_by(*numbers: signal.Signals) -> Iterator[None]:
    """These signals cancel the current task, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for number in numbers:
            loop.add_signal_handler(number, task.cancel)
            stack.callback(loop.remove_signal_handler, number)
        yield


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """What the bridge logs goes there: the terminal is for the conversation."""
    with path.open("a", encoding="utf-8") as file:
        log.configure("info", "console", file)
        try:
            yield
        finally:
            log.configure("error")


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
