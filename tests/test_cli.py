"""The command line as an operator meets it: help, sentences, exit status."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bridge import app as bridge_app
from bridge import cli as commands
from bridge.config_file import load
from bridge.doctor.finding import Finding, fail, ok, warn
from bridge.domain.ids import DeviceId, PuppetId, UserId
from bridge.domain.persona import PuppetRecord
from bridge.errors import ConfigError, HomeserverError, TokenRejected
from bridge.registration import load_registration
from bridge.settings import Settings
from bridge.store.migrations import LATEST
from bridge.store.sole import sole_use
from tests.lab.ports import free_port

COMMANDS = ["run", "demo", "registration", "check-config", "doctor", "migrate", "replay", "retire"]
ROOT = Path(__file__).parents[1]
RECORD = PuppetRecord(
    puppet_id=PuppetId("luna"), user_id=UserId("@ai_luna:me.org"), device_id=DeviceId("AI_LUNA")
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without variables of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MATRIX_AI_BRIDGE")]:
        monkeypatch.delenv(name)
    return tmp_path


def call(*words: str | Path, given: str = "") -> Result:
    return CliRunner().invoke(commands.cli, [str(word) for word in words], input=given)


def set_up(*more: str) -> None:
    assert call("registration", "--server-name", "me.org", *more).exit_code == 0


def plain(text: str) -> str:
    """Without colours, frames and line breaks of the terminal."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


def test_the_help_lists_every_command_and_the_exit_status() -> None:
    said = plain(call("--help").output)
    for command in COMMANDS:
        assert command in said
    assert "Exit status: 0 it worked, 1 it failed, 2 what it was given" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_explains_it_and_shows_an_example(command: str) -> None:
    said = plain(call(command, "--help").output)
    assert f"matrix-ai-bridge {command}" in said.split("Example")[1]
    assert len(said.split("Example")[0]) > 200
    if command not in ("demo", "replay"):
        assert "MATRIX_AI_BRIDGE_CONFIG" in said


def test_no_command_at_all_shows_the_help() -> None:
    assert "registration" in call().output


def test_a_newcomer_gets_configuration_and_registration_from_one_command(folder: Path) -> None:
    done = call(
        "registration", "--server-name", "me.org:8448", "--homeserver", "https://hs.me.org",
        "--bridge-url", "http://bridge:9009",
    )  # fmt: skip
    assert done.exit_code == 0
    settings = load(folder / "config.yaml", {})
    assert settings.homeserver.server_name == "me.org:8448"
    assert settings.homeserver.url == "https://hs.me.org"
    registration = load_registration(folder / "registration.yaml")
    assert registration.url == settings.appservice.url == "http://bridge:9009"
    for name in ("config.yaml", "registration.yaml"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert f"app_service_config_files:\n  - {folder}/registration.yaml\n" in done.output
    assert registration.as_token not in done.output


def test_without_a_server_name_nothing_is_written(folder: Path) -> None:
    done = call("registration")
    assert done.exit_code == 2
    assert "--server-name example.org" in done.stderr
    assert list(folder.iterdir()) == []


def test_a_server_name_that_is_none_writes_nothing(folder: Path) -> None:
    done = call("registration", "--server-name", "https://me.org")
    assert done.exit_code == 2
    assert "without https://" in done.stderr
    assert list(folder.iterdir()) == []


def test_options_never_change_a_configuration_that_exists(folder: Path) -> None:
    set_up()
    before = (folder / "config.yaml").read_text()
    done = call("registration", "--server-name", "other.org", "--force")
    assert done.exit_code == 2
    assert "exists already" in done.stderr
    assert (folder / "config.yaml").read_text() == before


def test_a_registration_is_replaced_only_by_force(folder: Path) -> None:
    set_up()
    before = load_registration(folder / "registration.yaml")
    done = call("registration")
    assert done.exit_code == 1
    assert "--force" in done.stderr
    assert load_registration(folder / "registration.yaml") == before
    assert call("registration", "--force").exit_code == 0
    assert load_registration(folder / "registration.yaml").as_token != before.as_token


def test_the_configuration_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "there").mkdir()
    path = folder / "there" / "bridge.yaml"
    assert call("registration", "--server-name", "me.org", "--config", path).exit_code == 0
    assert sorted(p.name for p in path.parent.iterdir()) == ["bridge.yaml", "registration.yaml"]
    monkeypatch.setenv("MATRIX_AI_BRIDGE_CONFIG", str(path))
    assert str(path) in call("check-config").output


def test_check_config_says_who_the_puppets_are() -> None:
    set_up()
    done = call("check-config")
    assert done.exit_code == 0
    assert "@ai_luna:me.org" in done.output
    assert "@aibridge:me.org" in done.output


def test_check_config_tells_every_mistake_without_a_traceback(folder: Path) -> None:
    (folder / "config.yaml").write_text("engine:\n  modle: x\nlog:\n  level: loud\n")
    done = call("check-config")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "did you mean engine.model?" in done.stderr
    assert "write one of debug, info, warning or error" in done.stderr
    assert "Traceback" not in done.output


def test_check_config_tells_of_a_persona_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up()
    monkeypatch.setenv("MATRIX_AI_BRIDGE__PERSONAS__ENABLED", "bob")
    done = call("check-config")
    assert done.exit_code == 2
    assert "bob" in done.stderr


def test_check_config_tells_which_tools_a_persona_wants_and_does_not_get(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "ada.yaml").write_text(
        "name: Ada\ncharacter: Curious.\ntools: [time, search, wiki.find]\n"
    )
    (folder / "config.yaml").write_text(
        "personas: {folder: mine, enabled: [ada]}\ntools: {allow: [time]}\n"
    )
    done = call("check-config")
    assert done.exit_code == 0
    assert "ada wants tools that are not allowed" in done.output
    assert "search, wiki.find. To allow them, add them to tools.allow." in done.output


def test_an_upgrade_adds_what_is_missing_and_keeps_the_old_file(folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text("# mine\nhomeserver:\n  server_name: me.org  # do not touch\n")
    done = call("check-config", "--upgrade")
    assert done.exit_code == 0
    assert "homeserver.url" in done.output
    assert (folder / "config.yaml.bak").read_text().startswith("# mine\n")
    assert "server_name: me.org  # do not touch\n" in config.read_text()
    (folder / "config.yaml.bak").unlink()
    assert "No setting is missing." in call("check-config", "--upgrade").output
    assert not (folder / "config.yaml.bak").exists()


def test_migrate_says_from_where_to_where_and_is_safe_twice() -> None:
    set_up()
    first, second = call("migrate"), call("migrate")
    assert first.exit_code == second.exit_code == 0
    assert f"from schema v0 to v{LATEST}" in first.output
    assert "Nothing changed" in second.output


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        ([ok("a", "Fine.")], 0),
        ([ok("a", "Fine."), warn("b", "Hm.", "Do.")], 0),
        ([fail("a", "No.", "Do.")], 1),
    ],
)
def test_doctor_exits_with_1_when_a_check_failed(
    monkeypatch: pytest.MonkeyPatch, findings: list[Finding], status: int
) -> None:
    async def examine(*_: object) -> list[Finding]:
        return findings

    monkeypatch.setattr(commands, "examine", examine)
    assert call("doctor").exit_code == status
    done = call("doctor", "--json")
    assert done.exit_code == status
    assert done.output.startswith("[")


def test_doctor_downloads_what_is_missing_only_when_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    async def examine(*_: object) -> list[Finding]:
        return [fail("models", "No.", "Do.")]

    async def mend(*_: object, ask: object, **__: object) -> list[Finding]:
        asked.append(ask)
        return [ok("models", "Now it is there.")]

    monkeypatch.setattr(commands, "examine", examine)
    monkeypatch.setattr(commands, "mend", mend)
    # Nobody is at a terminal here.
    assert call("doctor").exit_code == 1
    assert asked == []
    done = call("doctor", "--pull")
    assert (done.exit_code, asked) == (0, [None])
    assert "Now it is there." in done.output
    told = call("doctor", "--pull", "--json")
    assert (told.exit_code, told.output.count("Now it is there.")) == (0, 1)
    assert call("doctor", "--pull", "--invariants").exit_code == 2


def test_doctor_takes_a_configuration_that_cannot_be_used_as_a_finding(folder: Path) -> None:
    (folder / "config.yaml").write_text("wat: 1\n")
    done = call("doctor")
    assert done.exit_code == 1
    assert "wat" in done.output


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("a sentence."), 2),
        (TokenRejected("a sentence."), 1),
        (ExceptionGroup("g", [ExceptionGroup("h", [HomeserverError("a sentence.")])]), 1),
    ],
)
def test_an_error_of_ours_is_a_sentence_wherever_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    async def run(*_: object) -> None:
        raise error

    set_up()
    monkeypatch.setattr(bridge_app, "run", run)
    done = call("run")
    assert done.exit_code == status
    assert done.stderr.endswith("error: a sentence.\n")
    assert "Traceback" not in done.output


def test_an_error_that_is_a_fault_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run(*_: object) -> None:
        raise ExceptionGroup("g", [ConfigError("ours"), ZeroDivisionError()])

    set_up()
    monkeypatch.setattr(bridge_app, "run", run)
    assert isinstance(call("run").exception, ExceptionGroup)


@pytest.mark.parametrize("role", ["run", "ingest", "work"])
def test_each_role_gets_the_settings_of_the_file(
    monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    seen: list[tuple[Settings, str]] = []

    async def run(settings: Settings, role: str, _: object) -> None:
        seen.append((settings, role))

    set_up()
    monkeypatch.setattr(bridge_app, "run", run)
    monkeypatch.setenv("MATRIX_AI_BRIDGE__LOG__LEVEL", "error")
    assert call(role).exit_code == 0
    settings, given = seen[0]
    assert given == role
    assert settings.homeserver.server_name == "me.org"
    assert settings.log.level == "error"


@pytest.mark.parametrize("role", ["ingest", "work"])
def test_several_processes_on_one_sqlite_file_are_refused(role: str) -> None:
    set_up()
    done = call(role)
    assert done.exit_code == 2
    assert "PostgreSQL" in done.output
    assert "`run`" in done.output


def test_migrate_on_the_file_of_a_running_bridge_says_how_to_reach_it() -> None:
    set_up()
    with sole_use("sqlite:bridge.db", "http://127.0.0.1:9010/status"):
        done = call("migrate")
    assert done.exit_code == 1
    assert f"process {os.getpid()} http://127.0.0.1:9010/status" in done.output


def test_run_without_a_registration_says_how_to_get_one(folder: Path) -> None:
    set_up()
    (folder / "registration.yaml").unlink()
    done = call("run")
    assert done.exit_code == 2
    assert "matrix-ai-bridge registration" in done.stderr


def test_run_on_a_port_that_is_taken_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("MATRIX_AI_BRIDGE__APPSERVICE__LISTEN_PORT", str(port))
        monkeypatch.setenv("MATRIX_AI_BRIDGE__HTTP__PORT", str(free_port()))
        done = call("run")
    assert done.exit_code == 2
    assert "appservice.listen_port" in done.stderr


def test_replay_plays_a_file_and_says_whether_it_holds(folder: Path) -> None:
    scenario = ROOT / "tests" / "scenarios" / "nobody-is-addressed.yaml"
    assert call("replay", scenario).exit_code == 0
    assert call("replay", scenario, "--json").output.startswith("{")
    assert call("replay", folder / "nowhere.yaml").exit_code == 2
    assert call("replay").exit_code == 2


@pytest.mark.parametrize("words", [["retire"], ["retire", "luna", "--all"]])
def test_retire_wants_one_puppet_or_all(words: list[str]) -> None:
    set_up()
    done = call(*words)
    assert done.exit_code == 2
    assert "Name one puppet, or say --all." in plain(done.stderr)


def test_retire_says_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up()
    monkeypatch.setenv("MATRIX_AI_BRIDGE__HTTP__PORT", str(free_port()))
    done = call("retire", "--all")
    assert done.exit_code == 0
    assert "Nothing to do" in done.output


def test_retire_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    retired: list[object] = []

    async def find(*_: object) -> list[PuppetRecord]:
        return [RECORD]

    async def retire(settings: object, records: list[object], *_: object) -> bool:
        retired.extend(records)
        return True

    set_up()
    monkeypatch.setattr(commands, "find_puppets", find)
    monkeypatch.setattr(commands, "retire_puppets", retire)
    refused = call("retire", "luna", given="n\n")
    assert refused.exit_code == 1
    assert "Retire @ai_luna:me.org? This cannot be undone." in refused.output
    assert retired == []
    assert call("retire", "luna", given="y\n").exit_code == 0
    assert call("retire", "luna", "--yes").exit_code == 0
    assert retired == [RECORD, RECORD]


def test_the_module_is_the_program(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "--version"],
        capture_output=True, text=True, cwd=folder, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0
    assert re.fullmatch(r"matrix-ai-bridge \d+\.\d+\.\d+\n", done.stdout)
