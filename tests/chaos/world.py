"""Where a run takes place: people, rooms and their homeserver, a fake one or a real Synapse."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from bridge.registration import load_registration, new_registration, write_registration
from bridge.settings import Settings
from tests.chaos.gateway import Balancer, Gateway
from tests.chaos.homeserver import NAME, ChaosHomeserver, Memory, Trouble, Watching
from tests.lab.people import MatrixRefused, Person
from tests.lab.ports import free_port
from tests.lab.postgres import Postgres
from tests.lab.synapse import Homeserver, Lab, Zygote

PEOPLE: Final = 4
_PATIENCE_S: Final = 60.0
_TICK_S: Final = 0.1
Event = dict[str, Any]


class World(ABC):
    """`configuration` is what the bridges share. `stored_at`: when an ingest had each event."""

    configuration: dict[str, Any]
    watching: Watching
    trouble: Trouble
    stored_at: dict[str, float]

    @abstractmethod
    async def start(self) -> None: ...
    @abstractmethod
    async def connect(self, listeners: Sequence[str]) -> None:
        """The bridges listen there."""

    @abstractmethod
    async def rooms(self, count: int, puppets: Sequence[str]) -> list[str]:
        """Make rooms with people, and with these puppets in them."""

    @abstractmethod
    async def say(self, room_id: str, person: int, text: str, mentions: Sequence[str]) -> str:
        """Whatever happens, it is said once; returns the event's id."""

    @abstractmethod
    def sender(self, person: int) -> str: ...
    @abstractmethod
    async def restart(self) -> None:
        """The homeserver goes down and comes back."""

    @abstractmethod
    async def timelines(self) -> Mapping[str, Sequence[Event]]: ...
    @abstractmethod
    def is_quiet(self) -> bool: ...
    @abstractmethod
    async def close(self) -> None: ...


class FakeWorld(World):
    def __init__(
        self, folder: Path, configuration: dict[str, Any], memory: Memory, dice: random.Random
    ) -> None:
        self._dice = dice
        self._gate = free_port()
        port = free_port()
        self.configuration = _configured(
            folder, configuration, NAME, f"http://127.0.0.1:{port}", self._gate
        )
        registration = load_registration(folder / "registration.yaml")
        self._homeserver = ChaosHomeserver(
            port=port,
            as_token=registration.as_token,
            hs_token=registration.hs_token,
            memory=memory,
            dice=dice,
        )
        self.watching = self._homeserver.watching
        self.trouble = self._homeserver.trouble
        self._balancer: Balancer | None = None

    @property
    def stored_at(self) -> dict[str, float]:  # type: ignore[override]
        return self._homeserver.stored_at

    async def start(self) -> None:
        await self._homeserver.start()

    async def connect(self, listeners: Sequence[str]) -> None:
        self._balancer = Balancer(self._gate, listeners)
        self._homeserver.appservice_url = self._balancer.url
        await self._balancer.start()

    async def rooms(self, count: int, puppets: Sequence[str]) -> list[str]:
        people = [self.sender(n) for n in range(PEOPLE)]
        made = [self._homeserver.create_room(people, list(puppets)) for _ in range(count)]
        timelines = self._homeserver.timelines
        for _ in range(round(_PATIENCE_S / _TICK_S)):
            if all(_has_spoken(timelines[room], p) for room in made for p in puppets):
                return made
            await asyncio.sleep(_TICK_S)
        raise TimeoutError("the puppets did not come")

    async def say(self, room_id: str, person: int, text: str, mentions: Sequence[str]) -> str:
        return self._homeserver.say(
            room_id, self.sender(person), text, **{"m.mentions": {"user_ids": list(mentions)}}
        )

    def sender(self, person: int) -> str:
        return f"@person{person}:{NAME}"

    async def restart(self) -> None:
        await self._homeserver.restart(self._dice.uniform(0.2, 1.0))

    async def timelines(self) -> Mapping[str, Sequence[Event]]:
        return self._homeserver.timelines

    def is_quiet(self) -> bool:
        return self._homeserver.is_quiet()

    async def close(self) -> None:
        if self._balancer is not None:
            await self._balancer.stop()
        await self._homeserver.stop()


class SynapseWorld(World):
    """A real Synapse on PostgreSQL, behind a gateway that cuts and watches."""

    def __init__(
        self,
        folder: Path,
        configuration: dict[str, Any],
        postgres: Postgres,
        dice: random.Random,
    ) -> None:
        self._zygote = Zygote(folder / "zygote.log")
        self._lab = Lab(folder / "lab", self._zygote)
        self._postgres = postgres
        self._folder = folder
        self._given = configuration
        self._dice = dice
        self._gate, self._entrance = free_port(), free_port()
        self._people: list[Person] = []
        self._rooms: list[str] = []
        self._session: aiohttp.ClientSession | None = None
        self._balancer: Balancer | None = None

    async def start(self) -> None:
        await self._lab.__aenter__()
        self._home: Homeserver = self._lab.homeserver("home")
        self._home.database = _synapse_database(self._postgres)
        self._gateway = Gateway(self._entrance, self._home.url, self._dice)
        self.watching, self.trouble = self._gateway.watching, self._gateway.trouble
        self.configuration = _configured(
            self._folder, self._given, self._home.name, self._gateway.url, self._gate
        )
        self._home.registrations.append(self._folder / "registration.yaml")
        await self._gateway.start()
        await self._lab.start(self._home)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        for n in range(PEOPLE):
            self._people.append(await Person.register(self._home, self._session, f"person{n}"))

    async def connect(self, listeners: Sequence[str]) -> None:
        self._balancer = Balancer(self._gate, listeners)
        await self._balancer.start()

    @property
    def stored_at(self) -> dict[str, float]:  # type: ignore[override]
        return self._balancer.stored_at if self._balancer else {}

    async def rooms(self, count: int, puppets: Sequence[str]) -> list[str]:
        first, *others = self._people
        for _ in range(count):
            room_id = await first.create_room(
                preset="private_chat", invite=[*puppets, *(p.user_id for p in others)]
            )
            for person in others:
                await person.join(room_id)
            self._rooms.append(room_id)
        for _ in range(round(_PATIENCE_S / _TICK_S)):
            timelines = [await first.messages(room_id) for room_id in self._rooms]
            if all(_has_spoken(timeline, p) for timeline in timelines for p in puppets):
                return self._rooms
            await asyncio.sleep(_TICK_S)
        raise TimeoutError("the puppets did not come")

    async def say(self, room_id: str, person: int, text: str, mentions: Sequence[str]) -> str:
        txn_id = f"{self._dice.randrange(2**60)}"
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError, MatrixRefused):
                async with asyncio.timeout(5):
                    return await self._people[person].send(
                        room_id, text, mentions=mentions, txn_id=txn_id
                    )
            await asyncio.sleep(0.1)

    def sender(self, person: int) -> str:
        return self._people[person].user_id

    async def restart(self) -> None:
        await asyncio.to_thread(self._home.stop)
        await asyncio.sleep(self._dice.uniform(0.1, 0.5))
        while True:
            try:
                await self._home.start()
                return
            except RuntimeError:
                # It does not start while its own database restarts.
                self._home.kill()
                await asyncio.sleep(0.5)

    async def timelines(self) -> Mapping[str, Sequence[Event]]:
        return {room_id: await self._timeline(room_id) for room_id in self._rooms}

    async def _timeline(self, room_id: str) -> list[Event]:
        events: list[Event] = []
        since = ""
        path = f"/_matrix/client/v3/rooms/{quote(room_id)}/messages"
        while True:
            query = [("dir", "b"), ("limit", "500"), *([("from", since)] if since else [])]
            try:
                async with asyncio.timeout(10):
                    page = await self._people[0].call("GET", path, query=query)
            except (aiohttp.ClientError, OSError, TimeoutError, MatrixRefused):
                await asyncio.sleep(0.2)
                continue
            events += page["chunk"]
            since = page.get("end", "")
            if not since or not page["chunk"]:
                break
        sent = self.watching.sent
        return [
            event | {"original": sent[event["event_id"]]}
            if not event["content"] and event["event_id"] in sent
            else event
            for event in reversed(events)
        ]

    def is_quiet(self) -> bool:
        return True

    async def close(self) -> None:
        if self._balancer is not None:
            await self._balancer.stop()
        await self._gateway.stop()
        if self._session is not None:
            await self._session.close()
        self._lab.kill_all()
        self._zygote.close()


def _has_spoken(timeline: Sequence[Event], puppet: str) -> bool:
    return any(e["sender"] == puppet and e["type"] == "m.room.message" for e in timeline)


def _configured(
    folder: Path, given: dict[str, Any], name: str, homeserver_url: str, gate: int
) -> dict[str, Any]:
    """The configuration with its homeserver, and the registration beside it."""
    configuration = {
        **given,
        "homeserver": {"url": homeserver_url, "server_name": name},
        "appservice": {
            "registration": str(folder / "registration.yaml"),
            "url": f"http://127.0.0.1:{gate}",
        },
    }
    settings = Settings.model_validate(configuration)
    write_registration(settings.appservice.registration, new_registration(settings))
    return configuration


def _synapse_database(postgres: Postgres) -> dict[str, Any]:
    name = postgres.create_database().rpartition("/")[2]
    return {
        "name": "psycopg2",
        "args": {
            "user": "postgres",
            "host": "127.0.0.1",
            "port": postgres.port,
            "database": name,
            "cp_min": 1,
            "cp_max": 5,
            "cp_reconnect": True,
        },
    }
