"""The program dies at every fault point of a question, on a real homeserver, and loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge import registration
from bridge.settings import Settings
from tests.fakes.ollama import FakeOllama
from tests.lab.labs import Town
from tests.lab.limits import UNLIMITED
from tests.lab.people import Person
from tests.lab.ports import free_port
from tests.lab.synapse import Homeserver, Lab

ROOT = Path(__file__).parents[2]
MOST_POINTS = 150
PATIENCE_S = 30.0
SETTLE_S = 0.3
"""Synapse 1.163 strands a transaction that it makes in the very moment its recovery of an
appservice ends: it goes out only after the next failure. So the next question waits a moment."""


class Mother:
    """Imports the program once; every life is a fork of it."""

    def __init__(self, folder: Path) -> None:
        self._log = (folder / "mother.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        assert self._read() == "ready", (folder / "mother.log").read_text()

    def bear(self, config: Path, dies_at: int, passed: Path) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{config} {dies_at} {passed}\n")
        self._process.stdin.flush()
        return int(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._log.close()


@pytest.fixture
def mother(tmp_path: Path) -> Iterator[Mother]:
    made = Mother(tmp_path)
    yield made
    made.close()


@dataclass(kw_only=True)
class Life:
    """One process of the bridge."""

    pid: int
    ready_url: str

    def is_over(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        return False

    async def wait_ready(self, http: aiohttp.ClientSession) -> None:
        give_up_at_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at_s:
            assert not self.is_over(), "the bridge ended by itself"
            try:
                async with http.get(self.ready_url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.01)
        raise TimeoutError("the bridge did not become ready")

    def kill(self) -> None:
        if not self.is_over():
            os.kill(self.pid, signal.SIGKILL)


def settings_for(homeserver: Homeserver, folder: Path, engine_url: str) -> Settings:
    port = free_port()
    return Settings.model_validate(
        {
            "budgets": UNLIMITED,
            "homeserver": {"url": homeserver.url, "server_name": homeserver.name},
            "appservice": {
                "registration": str(folder / "registration.yaml"),
                "listen_port": port,
                "url": f"http://127.0.0.1:{port}",
            },
            "database": {"url": f"sqlite:{folder / 'bridge.db'}"},
            "engine": {"url": engine_url, "model": "gemma3:4b"},
            "http": {"port": free_port()},
        }
    )


def answers_by_question(events: list[dict[str, Any]], puppet: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        relation = event["content"].get("m.relates_to", {})
        target = relation.get("m.in_reply_to", {}).get("event_id")
        if event["sender"] == puppet and target:
            found.setdefault(target, []).append(event["content"]["body"])
    return found


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_every_question_is_answered_once_wherever_the_program_dies(
    lab: Lab, town: Town, mother: Mother, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with FakeOllama(reply="An answer.") as ollama, aiohttp.ClientSession() as http:
        homeserver = lab.homeserver("faults")
        settings = settings_for(homeserver, tmp_path, ollama.url)
        config = tmp_path / "config.yaml"
        # JSON is YAML.
        config.write_text(settings.model_dump_json(exclude={"engine": {"api_key"}}))
        registration.write_registration(
            settings.appservice.registration, registration.new_registration(settings)
        )
        homeserver.registrations.append(settings.appservice.registration)
        await lab.start(homeserver)
        alice = await town.person(homeserver, "alice")
        luna = settings.puppet_user_id("luna")
        ready_url = f"http://127.0.0.1:{settings.http.port}/ready"
        passed = tmp_path / "passed"

        def bear(dies_at: int) -> Life:
            return Life(pid=mother.bear(config, dies_at, passed), ready_url=ready_url)

        life = bear(1)
        try:
            await life.wait_ready(http)
            room_id = await alice.create_room(name="Lounge")
            await alice.invite(room_id, luna)
            await alice.wait_for(room_id, lambda e: e["sender"] == luna and "body" in e["content"])
            questions: list[str] = []
            died_at: list[str] = []
            for point in range(1, MOST_POINTS):
                passed.write_text("")
                os.kill(life.pid, signal.SIGUSR1)
                questions.append(await alice.send(room_id, f"Luna, question {point}?"))
                has_died = await dies_before_answering(life, alice, room_id, luna, questions[-1])
                if not has_died:
                    break
                died_at.append(passed.read_text().strip().rpartition("\n")[2])
                life = bear(point + 1)
                await life.wait_ready(http)
                await answer_to(alice, room_id, luna, questions[-1])
                await asyncio.sleep(SETTLE_S)
            else:
                pytest.fail(f"the program was still dying at fault point {MOST_POINTS}")
        finally:
            life.kill()
        answers = answers_by_question(await all_events(alice, room_id), luna)
    with capsys.disabled():
        print(f"\n{len(died_at)} fault points, each died at once, {len(questions)} questions")
    assert len(died_at) >= 12, died_at
    assert {what.partition(" ")[2].split(" /")[0] for what in died_at} >= {
        "before a commit",
        "after a commit",
    }
    wrong = {q: answers.get(q, []) for q in questions if len(answers.get(q, [])) != 1}
    assert not wrong, wrong


async def answer_to(alice: Person, room_id: str, luna: str, question: str) -> None:
    def is_it(event: dict[str, Any]) -> bool:
        relation = event["content"].get("m.relates_to", {})
        return (
            event["sender"] == luna
            and relation.get("m.in_reply_to", {}).get("event_id") == question
        )

    await alice.wait_for(room_id, is_it, patience_s=PATIENCE_S)


async def dies_before_answering(
    life: Life, alice: Person, room_id: str, luna: str, question: str
) -> bool:
    """True when the life ended; False when all was done and it lives on."""
    answered = asyncio.create_task(answer_to(alice, room_id, luna, question))
    try:
        while not life.is_over():
            if answered.done():
                # The work that follows the answer has fault points too.
                await asyncio.sleep(1.0)
                return life.is_over()
            await asyncio.sleep(0.005)
        return True
    finally:
        answered.cancel()
        await asyncio.gather(answered, return_exceptions=True)


async def all_events(alice: Person, room_id: str) -> list[dict[str, Any]]:
    await alice.sync()
    return alice.rooms[room_id].events
