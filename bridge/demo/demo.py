"""The embedded demo: a homeserver, a room with AI members, and a chat. Read it top to bottom."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

from bridge import app as bridge_app
from bridge import log
from bridge.demo import synapse
from bridge.demo.engine_choice import EngineChoice, choose_engine
from bridge.demo.folder import Folder, State, opened
from bridge.demo.person import Heard, Person
from bridge.demo.terminal import Terminal, chat
from bridge.errors import SetupError
from bridge.personas import load_personas, shipped_folder
from bridge.policy.wording import sentence
from bridge.registration import new_registration, write_registration
from bridge.settings import Settings

T = TypeVar("T")

USER: Final = "guest"
_HINT: Final = (
    "Say something, such as “Luna, who are you?”. Members answer when you name them. Ctrl-C ends."
)
_ANSWER_S: Final = {"demo": 60.0, "ollama": 180.0}
_JOIN_S: Final = 30.0
_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`say`: one message instead of a chat. `fresh`: forget what was. `assume_yes`: to offers."""

    folder: Path
    say: str | None = None
    fresh: bool = False
    model: str | None = None
    assume_yes: bool = False


def _log_file(folder: Folder) -> TextIO:
    return (folder.data / "bridge.log").open("a", encoding="utf-8")


async def demo(options: DemoOptions) -> int:
    """Run the demo; returns the exit status: 1 when `say` got no answer. Raises SetupError."""
    terminal = Terminal()
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    with opened(options.folder, fresh=options.fresh) as folder:
        try:
            return await _run(options, folder, terminal)
        finally:
            terminal.pause()


async def _run(options: DemoOptions, folder: Folder, terminal: Terminal) -> int:
    ask = terminal.ask if terminal.is_interactive and options.say is None else None
    engine = await choose_engine(
        options.model or "",
        console=terminal.console,
        ask=(lambda _: True) if options.assume_yes else ask,
    )
    python = await synapse.synapse_python(folder, terminal.step)
    state = folder.load()
    folder.save(state)
    settings = _settings(folder, state, engine)
    registration = settings.appservice.registration
    write_registration(registration, new_registration(settings), may_replace=True)
    config = synapse.write_config(folder, state, registration)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_say_goodbye, terminal, options)
        terminal.step("Starting the homeserver")
        homeserver = await stack.enter_async_context(
            synapse.running(python, config, settings.homeserver.url)
        )
        terminal.step("Starting the bridge")
        log.configure("info", "console", stack.enter_context(_log_file(folder)))
        app = await stack.enter_async_context(bridge_app.running(settings))
        await app.ready.wait()
        terminal.step("Entering the lounge")
        person = await stack.enter_async_context(Person(settings.homeserver.url))
        await person.enter(USER, state.password, state.secret)
        names: dict[str, str] = {p.user_id: p.display_name for p in app.cast.personas()}
        room_id = await _lounge(person, folder, state, engine, list(names))
        if options.say is not None:
            asking = _say_once(terminal, person, room_id, names, engine, options.say)
            return await _while_it_lives(homeserver, asking)
        terminal.done("Everything is running")
        terminal.welcome(
            url=settings.homeserver.url,
            user_id=person.user_id,
            password=state.password,
            status_url=f"http://127.0.0.1:{settings.http.port}/status",
            engine=engine,
        )
        await _while_it_lives(homeserver, chat(terminal, person, room_id, names, _HINT))
    return 0


def _settings(folder: Folder, state: State, engine: EngineChoice) -> Settings:
    """The bridge's configuration: as an operator would write it, with every persona enabled."""
    _, appservice_port, http_port = state.ports
    personas = load_personas(shipped_folder())
    return Settings.model_validate(
        {
            "homeserver": {
                "url": f"http://127.0.0.1:{state.ports[0]}",
                "server_name": synapse.SERVER_NAME,
            },
            "appservice": {
                "registration": str(folder.data / "registration.yaml"),
                "listen_port": appservice_port,
                "url": f"http://127.0.0.1:{appservice_port}",
            },
            "database": {"url": f"sqlite:{folder.data / 'bridge.db'}"},
            "engine": {"kind": engine.kind, "model": engine.model}
            | ({"url": engine.url} if engine.url else {}),
            "personas": {"enabled": [persona.persona_id for persona in personas]},
            "operator": {"name": "you (this is a demo on your machine)"},
            "http": {"port": http_port},
        }
    )


async def _lounge(
    person: Person, folder: Folder, state: State, engine: EngineChoice, puppets: list[str]
) -> str:
    """The room of earlier starts, or a new one, with every puppet in it; returns its id."""
    topic = (
        sentence("demo_topic", "en", label=engine.label)
        if engine.kind == "demo"
        else f"A lounge with AI members. Their replies come from {engine.label}."
    )
    room = await person.room(state.room_id) if state.room_id else None
    if room is None:
        room_id = await person.make_lounge("AI lounge", topic, puppets)
        folder.save(replace(state, room_id=room_id))
    else:
        room_id = state.room_id
        if room[0] != topic:
            await person.set_topic(room_id, topic)
        for puppet in puppets:
            if room[1].get(puppet) not in ("join", "invite"):
                await person.invite(room_id, puppet)
    for _ in range(round(_JOIN_S / _LOOK_S)):
        if await _are_all_in(person, room_id, puppets):
            return room_id
        await asyncio.sleep(_LOOK_S)
    raise SetupError(
        f"Not every AI member came into the lounge within {_JOIN_S:.0f} s; "
        f"{folder.data / 'bridge.log'} says why."
    )


async def _are_all_in(person: Person, room_id: str, puppets: list[str]) -> bool:
    room = await person.room(room_id)
    return room is not None and all(room[1].get(puppet) == "join" for puppet in puppets)


async def _say_once(
    terminal: Terminal,
    person: Person,
    room_id: str,
    names: Mapping[str, str],
    engine: EngineChoice,
    text: str,
) -> int:
    """One message and its answer: the smoke test of an installation."""
    terminal.step("Waiting for an answer")
    limit_s = _ANSWER_S[engine.kind]
    try:
        async with asyncio.timeout(limit_s):
            answer = await _answer_to(person, room_id, names, text)
    except TimeoutError:
        terminal.pause()
        terminal.console.print(f"You: {text}", markup=False)
        terminal.fail(
            f"nobody answered within {limit_s:.0f} s. A member answers when its name begins the "
            f"message: {', '.join(names.values())}."
        )
        return 1
    terminal.pause()
    terminal.console.print(f"You: {text}", markup=False)
    terminal.console.print(f"{names[answer.sender]}: {answer.text}", markup=False)
    if not answer.is_generated:
        terminal.fail(f"that is no answer of the engine ({engine.label}).")
        return 1
    terminal.console.print(f"(answered by: {engine.label})", markup=False)
    return 0


async def _answer_to(person: Person, room_id: str, names: Mapping[str, str], text: str) -> Heard:
    event_id = ""
    async for what in person.listen(room_id):
        if what is None:
            event_id = await person.say(room_id, text)
        elif event_id and isinstance(what, Heard) and _answers(what, event_id, names):
            return what
    raise SetupError("the room fell silent")


def _answers(heard: Heard, event_id: str, names: Mapping[str, str]) -> bool:
    return heard.reply_to == event_id and heard.sender in names


async def _while_it_lives(homeserver: synapse.Synapse, work: Coroutine[Any, Any, T]) -> T:
    """Do the work; raises SetupError with its last words when the homeserver dies meanwhile."""
    working = asyncio.ensure_future(work)
    dying = asyncio.ensure_future(homeserver.died())
    try:
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise SetupError(f"The demo's homeserver ended by itself {dying.result()}")
    finally:
        for task in (working, dying):
            task.cancel()
        await asyncio.gather(working, dying, return_exceptions=True)


async def _say_goodbye(terminal: Terminal, options: DemoOptions) -> None:
    terminal.pause()
    if options.say is None:
        terminal.console.print("Stopped. The next start goes on where you were.", style="dim")
