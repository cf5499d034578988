"""The whole demo on a real Synapse: one folder, started again and again."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.running import Demo, processes, running, say, state, wait_until_gone
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import Reply
from tests.lab.death import die_with_parent

pytestmark = pytest.mark.e2e

LABEL = "demo engine, no AI model connected"
QUESTION = "Luna, who are you?"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A demo's folder after its first start, which said QUESTION."""
    folder = tmp_path_factory.mktemp("demo") / "folder"
    status, shown = say(folder, QUESTION)
    assert status == 0, shown
    (folder.parent / "first.txt").write_text(shown)
    yield folder
    for line in processes(folder):  # what a failed test has left behind
        os.kill(int(line.split()[0]), signal.SIGKILL)


@pytest.fixture
def ollama(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """A fake Ollama of its own process: its address, what it replies, and what reached it."""
    reply, record = f"The reply {secrets.token_hex(8)}.", tmp_path / "record.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.ollama", "--reply", reply, "--record", str(record)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=die_with_parent,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1], reply, record
        process.kill()


def synapse_of(folder: Path) -> int:
    found = [line for line in processes(folder) if "homeserver.yaml" in line]
    assert len(found) == 1, found
    return int(found[0].split()[0])


def in_the_room(demo: Demo) -> Demo:
    demo.wait_for("Password")
    return demo


def test_one_message_is_answered_by_the_demo_engine_which_says_so(folder: Path) -> None:
    lines = (folder.parent / "first.txt").read_text().splitlines()
    said = lines.index(f"You: {QUESTION}")
    assert lines[said + 1].startswith("Luna (AI): ")
    assert "Luna" in lines[said + 1].removeprefix("Luna (AI): ")
    assert f"answered by: {LABEL}" in lines[said + 2]
    assert wait_until_gone(folder) == []


def test_the_folder_holds_its_secrets_for_its_owner_alone(folder: Path) -> None:
    data = folder / "data"
    assert data.stat().st_mode & 0o077 == 0
    for name in ("demo.json", "registration.yaml", "homeserver.yaml", "signing.key"):
        assert (data / name).stat().st_mode & 0o077 == 0, name


def test_a_second_start_goes_on_in_a_terminal_within_15_s_and_ends_on_ctrl_c(folder: Path) -> None:
    before = state(folder)
    began_s = time.monotonic()
    with running(folder, at_terminal=True) as demo:
        demo.wait_for("Password")
        demo.type("Milo, what is 12*7?\r")
        answered_s = demo.wait_for("84.") - began_s
        print(f"second start to first answer: {answered_s:.1f} s")
        demo.type("\x03")
        assert demo.end() == 0
        shown = demo.shown
    assert wait_until_gone(folder, 1) == []
    assert answered_s < 15
    assert QUESTION in shown.partition("Password")[2], "what was said before is not there"
    assert LABEL in shown and "@guest:localhost" in shown and before["password"] in shown
    assert "Stopped." in shown
    assert "Traceback" not in shown
    assert state(folder) == before


def test_a_random_sentence_reaches_the_model_and_its_reply_the_room(
    folder: Path, ollama: tuple[str, str, Path]
) -> None:
    address, reply, record = ollama
    sentence = f"what rhymes with {secrets.token_hex(8)}?"
    status, shown = say(folder, f"Nova, {sentence}", ollama=address)
    assert status == 0, shown
    assert f"Nova (AI): {reply}" in shown.splitlines()
    assert "answered by: gemma3:4b" in shown
    requests = [json.loads(line) for line in record.read_text().splitlines()]
    calls = [r["body"] for r in requests if r["path"] == "/api/chat"]
    # A call without messages only loads the model, once, before anybody asks.
    chats = [body for body in calls if body["messages"]]
    assert len(calls) - len(chats) <= 1
    assert len(chats) == 1
    assert sentence in chats[0]["messages"][-1]["content"]
    assert chats[0]["model"] == "gemma3:4b"


async def test_an_engine_that_is_broken_is_exit_1_with_a_reason(folder: Path) -> None:
    async with FakeOllama(reply=Reply(status=500, error="out of memory")) as ollama:
        asked = asyncio.to_thread(say, folder, "Luna, are you well?", ollama=ollama.url)
        status, shown = await asked
    assert status == 1, shown
    assert "Luna (AI): " in shown
    assert "had no answer from gemma3:4b" in shown
    assert "answered by" not in shown
    assert "Traceback" not in shown


def test_lines_of_a_pipe_are_said_and_sigterm_ends_it_while_the_pipe_is_open(folder: Path) -> None:
    with running(folder) as demo:
        in_the_room(demo).type("Luna, what is 6*7?\nMilo, what is 5*11?\n")
        demo.wait_for("42")
        demo.wait_for("55")
        assert "\x1b" not in demo.shown
        with running(folder) as second:
            assert second.end() == 1
            assert "A demo is running" in second.shown
        os.killpg(demo.process.pid, signal.SIGTERM)
        assert demo.end() == 0
        assert "Traceback" not in demo.shown
    assert wait_until_gone(folder, 1) == []


def test_a_homeserver_that_dies_is_reported(folder: Path) -> None:
    with running(folder) as demo:
        in_the_room(demo)
        os.kill(synapse_of(folder), signal.SIGKILL)
        assert demo.end() == 1
        assert "homeserver ended by itself (signal 9" in demo.shown
        assert "Traceback" not in demo.shown
    assert wait_until_gone(folder, 1) == []


def test_a_demo_that_is_killed_or_loses_its_terminal_leaves_no_homeserver(folder: Path) -> None:
    with running(folder) as demo:
        demo.wait_for("Starting the bridge")
        synapse = synapse_of(folder)
        os.kill(demo.process.pid, signal.SIGKILL)
        demo.end()
        assert wait_until_gone(folder) == [], synapse
    with running(folder, at_terminal=True) as demo:
        in_the_room(demo)
        os.kill(demo.process.pid, signal.SIGHUP)
        demo.end()
        assert wait_until_gone(folder, 1) == []


def test_fresh_forgets_rooms_accounts_and_messages(folder: Path) -> None:
    before = state(folder)
    status, shown = say(folder, "Luna, what is 3*3?", "--fresh")
    assert status == 0, shown
    after = state(folder)
    assert after["room_id"] != before["room_id"]
    assert after["password"] != before["password"]
    with sqlite3.connect(folder / "data" / "synapse.db") as database:
        rooms = database.execute("SELECT room_id FROM rooms").fetchall()
    assert rooms == [(after["room_id"],)]
