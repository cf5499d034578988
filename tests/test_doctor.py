"""Each check sees what it is there for: break one thing, and its finding says so."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from bridge.clock import FakeClock
from bridge.config_file import load
from bridge.doctor.finding import Finding, as_json, as_table, fail, ok, skip, warn
from bridge.doctor.main import examine
from bridge.registration import load_registration, new_registration, to_yaml, write_registration
from bridge.store.database import open_database
from bridge.store.migrations import LATEST, migrate
from tests.fakes.homeserver import FakeHomeserver
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel
from tests.fakes.openai import FakeOpenAI, serving
from tests.lab.ports import free_port

NAMES = [
    "config",
    "access",
    "registration",
    "database",
    "kept text",
    "set aside",
    "refused",
    "homeserver",
    "tokens",
    "ping",
    "repeated send",
    "clock",
    "engine",
    "models",
]


class Installation:
    """A bridge that is set up well, with a homeserver and an Ollama, and ways to spoil it."""

    def __init__(self, folder: Path, homeserver: FakeHomeserver, ollama: FakeOllama) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.registration = folder / "registration.yaml"
        self.homeserver = homeserver
        self.ollama = ollama
        self.clock = FakeClock()
        self.listen_port, self.http_port = free_port(), free_port()
        homeserver.now_s = self.clock.now() / 1000
        homeserver.appservice_url = f"http://127.0.0.1:{self.listen_port}"
        self.environ = {
            "HOMESERVER__URL": homeserver.url,
            "APPSERVICE__LISTEN_PORT": str(self.listen_port),
            "APPSERVICE__URL": homeserver.appservice_url,
            "ENGINE__URL": ollama.url,
            "HTTP__PORT": str(self.http_port),
        }
        self.config.write_text("")
        registration = replace(
            new_registration(load(self.config, self.variables())),
            as_token=homeserver.as_token,
            hs_token=homeserver.hs_token,
            sender_localpart=homeserver.sender_localpart,
        )
        write_registration(self.registration, registration)

    def variables(self) -> dict[str, str]:
        return {f"MATRIX_AI_BRIDGE__{key}": value for key, value in self.environ.items()}

    async def examine(self) -> dict[str, Finding]:
        findings = await examine(self.config, self.clock, self.variables())
        assert [finding.name for finding in findings] == NAMES
        for finding in findings:
            # A command to copy ends without a full stop.
            assert re.search(r"[.?]$|ollama pull \S+$", finding.sentence), finding
            assert bool(finding.fix) == (finding.level in ("warn", "fail")), finding
        return {finding.name: finding for finding in findings}

    async def only(self, name: str, level: str) -> Finding:
        """The one finding that is not ok, which must be this one; what waits for it is skipped."""
        findings = await self.examine()
        wrong = {n: f for n, f in findings.items() if f.level not in ("ok", "skip")}
        assert list(wrong) == [name], wrong
        assert wrong[name].level == level
        return wrong[name]

    def edit_registration(self, pattern: str, replacement: str) -> None:
        text = self.registration.read_text()
        edited = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        assert edited != text
        self.registration.write_text(edited)


@pytest_asyncio.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    async with FakeHomeserver() as homeserver, FakeOllama() as ollama:
        yield Installation(tmp_path, homeserver, ollama)


@asynccontextmanager
async def listening(port: int, answers: dict[str, object]) -> AsyncIterator[None]:
    """Some program that answers these paths on a port of ours."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path])

    app = web.Application()
    app.add_routes([web.route("*", path, answer) for path in answers])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


async def migrated(installation: Installation) -> None:
    database = await open_database(f"sqlite:{installation.folder}/bridge.db", installation.clock)
    await migrate(database)
    await database.close()


def tables(installation: Installation) -> list[object]:
    with sqlite3.connect(installation.folder / "bridge.db") as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


async def test_a_good_installation_has_nothing_but_ok(installation: Installation) -> None:
    findings = await installation.examine()
    assert {name: f.level for name, f in findings.items()} == dict.fromkeys(NAMES, "ok")
    assert "gemma3:4b" in findings["models"].sentence
    assert "completion" in findings["models"].sentence
    assert "in 3 ms" in findings["ping"].sentence


async def test_a_configuration_that_cannot_be_used_is_told_and_the_rest_waits(
    installation: Installation,
) -> None:
    installation.config.write_text("engine:\n  kind: chatgpt\n")
    found = await installation.only("config", "fail")
    assert "engine.kind (line 2)" in found.sentence


async def test_a_missing_configuration_is_a_finding(installation: Installation) -> None:
    installation.config.unlink()
    assert "There is no configuration" in (await installation.only("config", "fail")).sentence


async def test_a_persona_that_does_not_exist_is_told(installation: Installation) -> None:
    installation.environ["PERSONAS__ENABLED"] = "luna,bob"
    assert "bob" in (await installation.only("config", "fail")).sentence


async def test_a_bridge_without_personas_is_warned_of(installation: Installation) -> None:
    installation.environ["PERSONAS__ENABLED"] = "[]"
    assert "nobody will answer" in (await installation.only("config", "warn")).sentence


async def test_opening_to_everybody_is_explained(installation: Installation) -> None:
    installation.environ["ACCESS__INVITE__ALLOW"] = '["*"]'
    found = await installation.only("access", "warn")
    assert "every server" in found.sentence
    assert "invite puppets" in found.sentence
    assert "ask them" not in found.sentence


async def test_named_servers_are_no_warning(installation: Installation) -> None:
    installation.environ["ACCESS__ASK__ALLOW"] = "*.example.org"
    findings = await installation.examine()
    assert findings["access"].level == "ok"
    assert "*.example.org" in findings["access"].sentence


async def test_a_missing_registration_is_told(installation: Installation) -> None:
    installation.registration.unlink()
    assert "There is no registration" in (await installation.only("registration", "fail")).sentence


async def test_a_registration_that_everybody_may_read_is_warned_of(
    installation: Installation,
) -> None:
    installation.registration.chmod(0o644)
    assert "chmod 600" in (await installation.only("registration", "warn")).fix


@pytest.mark.parametrize(
    ("pattern", "replacement", "level", "said"),
    [
        (r"\^@ai_", "^@bot_", "fail", "holds @ai_luna:example.org"),
        (r"\^@aibridge", "^@other", "fail", "holds @aibridge:example.org"),
        (r"exclusive: true", "exclusive: false", "fail", "No exclusive user namespace"),
        (r"\^@ai_", "^@", "fail", "claims people of example.org too"),
        (r"rate_limited: false", "rate_limited: true", "fail", "limits the rate"),
        (r"^io.element.msc4190: true", "", "fail", "may not make a device"),
        (r"^url: .*", "url: http://elsewhere:9009", "fail", "send to http://elsewhere:9009"),
        (r"^url: .*", "url: null", "fail", "send to nowhere"),
        (r"rooms: \[\]", "rooms: [{regex: '.*'}]", "warn", "aliases or rooms"),
    ],
)
async def test_a_registration_with_a_wrong_flag_or_namespace_is_told(
    installation: Installation, pattern: str, replacement: str, level: str, said: str
) -> None:
    installation.edit_registration(pattern, replacement)
    assert said in (await installation.only("registration", level)).sentence


async def test_a_sender_that_is_one_of_our_users_is_told(installation: Installation) -> None:
    installation.edit_registration("^sender_localpart: .*", "sender_localpart: aibridge")
    installation.homeserver.sender_localpart = "aibridge"
    found = await installation.only("registration", "fail")
    assert "sender_localpart is one of our own users" in found.sentence


async def test_a_database_that_is_no_database_is_told(installation: Installation) -> None:
    (installation.folder / "bridge.db").write_bytes(b"hello " * 1000)
    found = await installation.only("database", "fail")
    assert "bridge.db" in found.sentence


async def test_a_database_in_no_folder_is_told(installation: Installation) -> None:
    installation.environ["DATABASE__URL"] = "sqlite:nowhere/bridge.db"
    assert "does not exist" in (await installation.only("database", "fail")).sentence


async def test_a_database_server_that_is_down_is_told(installation: Installation) -> None:
    url = f"postgres://bridge:hunter2@127.0.0.1:{free_port()}/bridge"
    installation.environ["DATABASE__URL"] = url
    found = await installation.only("database", "fail")
    assert "cannot be reached" in found.sentence
    assert "hunter2" not in found.sentence + found.fix


async def test_a_database_of_a_much_newer_program_is_told(installation: Installation) -> None:
    await migrated(installation)
    with sqlite3.connect(installation.folder / "bridge.db") as connection:
        connection.execute("UPDATE schema_version SET version = ?", (LATEST + 2,))
    found = await installation.only("database", "fail")
    assert f"v{LATEST + 2}" in found.sentence


async def test_a_database_one_version_newer_and_compatible_is_warned_of(
    installation: Installation,
) -> None:
    await migrated(installation)
    with sqlite3.connect(installation.folder / "bridge.db") as connection:
        connection.execute("UPDATE schema_version SET version = ?", (LATEST + 1,))
    found = await installation.only("database", "warn")
    assert "compatible" in found.sentence


async def test_a_database_that_cannot_be_written_is_told(installation: Installation) -> None:
    await migrated(installation)
    with sqlite3.connect(installation.folder / "bridge.db") as connection:
        # As a read-only file, and also for root, who may write to those.
        connection.execute("CREATE TABLE bridge_write_probe (value)")
    found = await installation.only("database", "fail")
    assert "refused a statement" in found.sentence


async def test_the_check_of_the_database_creates_and_leaves_nothing(
    installation: Installation,
) -> None:
    await installation.examine()
    assert not (installation.folder / "bridge.db").exists()
    await migrated(installation)
    before = tables(installation)
    await installation.examine()
    assert tables(installation) == before


async def test_a_homeserver_that_is_down_is_told_and_the_rest_of_it_waits(
    installation: Installation,
) -> None:
    installation.environ["HOMESERVER__URL"] = f"http://127.0.0.1:{free_port()}"
    await installation.only("homeserver", "fail")
    findings = await installation.examine()
    assert [name for name, f in findings.items() if f.level == "skip"] == [
        "tokens", "ping", "repeated send", "clock",
    ]  # fmt: skip


async def test_something_that_is_no_homeserver_is_told(installation: Installation) -> None:
    installation.homeserver.is_matrix = False
    found = await installation.only("homeserver", "fail")
    assert "does not answer like a Matrix homeserver" in found.sentence


async def test_an_as_token_that_the_homeserver_does_not_know_is_told(
    installation: Installation,
) -> None:
    installation.edit_registration("^as_token: .*", "as_token: another")
    found = await installation.only("tokens", "fail")
    assert "does not know our as_token" in found.sentence
    assert "restart" in found.fix


async def test_a_homeserver_of_another_name_is_told(installation: Installation) -> None:
    installation.homeserver.server_name = "other.org"
    found = await installation.only("tokens", "fail")
    assert "calls itself other.org" in found.sentence
    assert "homeserver.server_name" in found.fix


async def test_an_old_registration_at_the_homeserver_is_told(installation: Installation) -> None:
    installation.homeserver.sender_localpart = "older"
    assert "another registration" in (await installation.only("tokens", "fail")).sentence


async def test_an_hs_token_that_differs_is_told(installation: Installation) -> None:
    installation.homeserver.hs_token = "another"
    assert "wrong hs_token" in (await installation.only("ping", "fail")).sentence


async def test_a_homeserver_that_cannot_reach_us_is_told(installation: Installation) -> None:
    installation.homeserver.appservice_url = f"http://127.0.0.1:{free_port()}"
    found = await installation.only("ping", "fail")
    assert "cannot reach us" in found.sentence
    assert "appservice.url" in found.fix


async def test_another_program_at_our_address_is_told(installation: Installation) -> None:
    async with FakeHomeserver() as other:
        installation.homeserver.appservice_url = other.url
        found = await installation.only("ping", "fail")
    assert "not this bridge" in found.sentence


async def test_another_program_on_our_port_is_told(installation: Installation) -> None:
    async with listening(installation.listen_port, {}):
        found = await installation.only("ping", "fail")
    assert "can listen on" in found.sentence


async def test_an_id_that_is_not_ours_is_told(installation: Installation) -> None:
    installation.homeserver.knows_appservice = False
    assert "does not match" in (await installation.only("ping", "fail")).sentence


async def test_a_running_bridge_is_pinged_itself(installation: Installation) -> None:
    async with (
        listening(installation.http_port, {"/health": {"status": "ok"}}),
        listening(installation.listen_port, {"/_matrix/app/v1/ping": {}}),
    ):
        assert (await installation.examine())["ping"].level == "ok"


async def test_events_that_come_meanwhile_are_left_to_the_bridge(
    installation: Installation,
) -> None:
    statuses: list[int] = []

    async def deliver() -> None:
        url = f"{installation.homeserver.appservice_url}/_matrix/app/v1/transactions/1"
        headers = {"Authorization": f"Bearer {installation.homeserver.hs_token}"}
        async with (
            aiohttp.ClientSession() as client,
            client.put(url, json={"events": []}, headers=headers) as response,
        ):
            statuses.append(response.status)

    installation.homeserver.on_ping = deliver
    assert (await installation.examine())["ping"].level == "ok"
    assert statuses == [503]


async def test_a_homeserver_that_posts_twice_is_told(installation: Installation) -> None:
    installation.homeserver.remembers_sends = False
    found = await installation.only("repeated send", "fail")
    assert "posted one message twice" in found.sentence
    assert len(installation.homeserver.messages) == 2


async def test_a_homeserver_that_ignores_devices_is_warned_of(installation: Installation) -> None:
    installation.homeserver.knows_devices = False
    assert "when it restarts" in (await installation.only("repeated send", "warn")).sentence


async def test_the_check_of_repeated_sends_leaves_its_room(installation: Installation) -> None:
    await installation.examine()
    assert installation.homeserver.messages == ["A check of repeated sends."]
    assert [user for user, _ in installation.homeserver.left] == ["@aibridge:example.org"]
    assert installation.homeserver.joined == {"@aibridge:example.org": []}


@pytest.mark.parametrize(("ahead_s", "said"), [(30, "behind"), (-30, "ahead of")])
async def test_clocks_that_differ_are_warned_of(
    installation: Installation, ahead_s: float, said: str
) -> None:
    installation.homeserver.clock_ahead_s = ahead_s
    found = await installation.only("clock", "warn")
    assert f"{said} the homeserver's" in found.sentence


@pytest.mark.parametrize("ahead_s", [-5, -1, 0, 0.999, 5])
async def test_a_small_difference_of_clocks_is_fine(
    installation: Installation, ahead_s: float
) -> None:
    installation.homeserver.clock_ahead_s = ahead_s
    assert (await installation.examine())["clock"].level == "ok"


async def test_an_engine_that_is_down_is_told(installation: Installation) -> None:
    installation.environ["ENGINE__URL"] = f"http://127.0.0.1:{free_port()}"
    found = await installation.only("engine", "fail")
    assert "No Ollama answers" in found.sentence
    assert "ollama serve" in found.fix


async def test_an_engine_that_is_none_is_told(installation: Installation) -> None:
    port = free_port()
    installation.environ["ENGINE__URL"] = f"http://127.0.0.1:{port}"
    async with listening(port, {"/api/version": []}):
        found = await installation.only("engine", "fail")
    assert "not an Ollama" in found.sentence


async def test_the_demo_engine_is_called_what_it_is(installation: Installation) -> None:
    installation.environ["ENGINE__KIND"] = "demo"
    findings = await examine(installation.config, installation.clock, installation.variables())
    assert findings[-1].name == "engine"
    assert findings[-1].level == "warn"
    assert "no AI model" in findings[-1].sentence


async def test_a_model_that_is_missing_is_told(installation: Installation) -> None:
    installation.environ["ENGINE__MODEL"] = "nothere:7b"
    found = await installation.only("models", "fail")
    assert "nothere:7b" in found.sentence
    assert "ollama pull nothere:7b" in found.sentence


async def test_a_model_that_a_persona_names_and_nobody_has_is_told(
    installation: Installation,
) -> None:
    folder = installation.folder / "personas"
    folder.mkdir()
    (folder / "luna.yaml").write_text("name: Luna\ncharacter: A owl.\nmodel: own:1b\n")
    installation.environ["PERSONAS__FOLDER"] = str(folder)
    found = await installation.only("models", "fail")
    assert "own:1b" in found.sentence
    assert "own:1b" in found.fix


async def test_an_ollama_without_a_chat_model_is_told(installation: Installation) -> None:
    installation.ollama.models = {
        "bge:latest": FakeModel(name="bge:latest", capabilities=("embedding",))
    }
    assert "no chat model" in (await installation.only("models", "fail")).sentence


async def test_a_window_larger_than_the_model_reads_is_warned_of(
    installation: Installation,
) -> None:
    installation.ollama.models = {"tiny:1b": FakeModel(name="tiny:1b", max_ctx=2048)}
    found = await installation.only("models", "warn")
    assert "at most 2048 tokens" in found.sentence
    assert "engine.num_ctx to 2048" in found.fix


async def test_a_model_at_its_vendors_is_warned_of(installation: Installation) -> None:
    installation.ollama.models = {"big:cloud": FakeModel(name="big:cloud")}
    installation.environ["ENGINE__MODEL"] = "big:cloud"
    assert "leaves your machines" in (await installation.only("models", "warn")).sentence


async def test_no_finding_holds_a_token(installation: Installation) -> None:
    registration = load_registration(installation.registration)
    secret_as, secret_hs = "as-token-of-ours", "hs-token-of-ours"
    installation.registration.write_text(
        to_yaml(replace(registration, as_token=secret_as, hs_token=secret_hs))
    )
    said = as_json(list((await installation.examine()).values()))
    assert secret_as not in said
    assert secret_hs not in said


def test_findings_are_shown_to_people_with_their_fix_below() -> None:
    findings = [
        ok("config", "It is fine."),
        warn("access", "Open to all. " * 12, "Name servers."),
        fail("homeserver", "It is down.", "Start it."),
        skip("ping", "the homeserver"),
    ]
    table = as_table(findings, width=80)
    assert "fail  homeserver  It is down.\n" in table
    assert "→ Start it.\n" in table
    assert table.endswith("1 failure and 1 warning.")
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "\x1b" not in table
    assert "\x1b[31;1mfail" in as_table(findings, is_coloured=True)
    assert as_table(findings[:1]).endswith("Everything is fine.")


def test_findings_are_told_to_programs_as_json() -> None:
    assert json.loads(as_json([fail("ping", "No.", "Do.")])) == [
        {"name": "ping", "level": "fail", "sentence": "No.", "fix": "Do."}
    ]


async def test_a_server_with_the_chat_completions_api_is_checked(
    installation: Installation,
) -> None:
    async with FakeOpenAI(models=("tiny", "large"), key="sk") as server:
        installation.environ |= {
            "ENGINE__KIND": "openai",
            "ENGINE__URL": server.url,
            "ENGINE__API_KEY": "sk",
        }
        found = await installation.examine()
        assert found["engine"].level == found["models"].level == "ok"
        assert "tiny replies, of: tiny, large" in found["models"].sentence
        installation.environ["ENGINE__MODEL"] = "huge"
        missing = await installation.only("models", "fail")
        assert "no model 'huge'" in missing.sentence
        installation.environ["ENGINE__API_KEY"] = "wrong"
        refused = await installation.only("engine", "fail")
        assert "api_key" in refused.sentence


@pytest.mark.parametrize(
    ("models", "said"),
    [((), "The server has no model. It lists: none."), (None, "does not list models")],
)
async def test_a_server_that_lists_no_model_is_told(
    installation: Installation, models: tuple[str, ...] | None, said: str
) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    server = FakeOpenAI(models=models or ())
    async with server, serving(page) as other:
        url = other if models is None else server.url
        installation.environ |= {"ENGINE__KIND": "openai", "ENGINE__URL": url}
        found = await installation.only("engine" if models is None else "models", "fail")
    assert said in found.sentence


@pytest.mark.parametrize("kind", ["ollama", "openai"])
async def test_a_password_in_an_address_is_not_told(installation: Installation, kind: str) -> None:
    async with FakeOpenAI() as server:
        url = server.url if kind == "openai" else installation.ollama.url
        installation.environ |= {
            "ENGINE__KIND": kind,
            "ENGINE__URL": url.replace("//", "//me:hunter2@"),
        }
        assert "hunter2" not in as_json(list((await installation.examine()).values()))
        installation.environ["ENGINE__URL"] = f"http://me:hunter2@127.0.0.1:{free_port()}"
        found = await installation.only("engine", "fail")
    assert "hunter2" not in found.sentence


async def test_every_further_endpoint_is_checked_too(installation: Installation) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    installation.environ["ENGINE__ENDPOINTS"] = json.dumps([{"url": nobody}])
    found = await examine(installation.config, installation.clock, installation.variables())
    (second,) = [finding for finding in found if finding.name == "engine 2"]
    assert second.level == "fail"
    assert nobody in second.sentence
