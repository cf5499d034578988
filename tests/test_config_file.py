"""Reading config.yaml: what is said when something is wrong, and who overrides whom."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from bridge import config_file
from bridge.config_file import example_text, load
from bridge.errors import ConfigError
from bridge.settings import Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def problem(path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return str(caught.value)


def test_an_empty_file_means_the_defaults(path: Path) -> None:
    path.write_text("# nothing yet\n")
    assert load(path, {}).engine == Settings().engine


def test_a_key_or_section_without_a_value_means_the_default(path: Path) -> None:
    path.write_text("operator:\n  name:\n  contact: '@a:b.c'\nengine:\n")
    settings = load(path, {})
    assert settings.operator.name == ""
    assert settings.operator.contact == "@a:b.c"
    assert settings.engine == Settings().engine


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "homeserver:\n  url: matrix.example.org\n",
            'homeserver.url (line 2) is "matrix.example.org"; write a full address',
        ),
        (
            "appservice:\n  listen_port: 99999\n",
            "appservice.listen_port (line 2) is 99999; write a number of at most 65535",
        ),
        ("engine:\n  num_ctx: lots\n", 'engine.num_ctx (line 2) is "lots"; write a whole number'),
        ("engine:\n  num_ctx: 10\n", "engine.num_ctx (line 2) is 10; write a number of at least"),
        ("engine:\n  kind: chatgpt\n", "write one of ollama, openai or demo"),
        ("engine:\n  stall_timeout_s: 0\n", "is 0; write a number above 0"),
        ("admins: [alice]\n", 'admins[0] (line 1) is "alice"; write a full user id'),
        ("admins: alice\n", 'admins (line 1) is "alice"; write a list'),
        ("log: info\n", 'log (line 1) is "info"; write its keys below it'),
        ("operator:\n  name: 5\n", "operator.name (line 2) is 5; write text"),
        ("rooms:\n  command_prefix: ''\n", "write at least 1 character"),
        ("rooms:\n  language: Klingon\n", "write a language code"),
        ("personas:\n  display_name: Bob\n", "it must contain {name}"),
        ("access:\n  ask:\n    deny: ['https://a']\n", "access.ask.deny[0] (line 3) is"),
        (
            "engine:\n  max_reply_tokens: 8100\n",
            "engine (line 1): max_reply_tokens (8100) leaves no room",
        ),
    ],
)
def test_a_bad_value_is_told_with_key_line_value_and_fix(
    path: Path, text: str, expected: str
) -> None:
    said = problem(path, text)
    assert expected in said
    assert str(path) in said


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("engine:\n  modle: x\n", "did you mean engine.model?"),
        ("homserver:\n  url: x\n", "did you mean homeserver?"),
        ("rooms:\n  server_name: x\n", "did you mean homeserver.server_name?"),
        ("log:\n  zzz: x\n", "known here: level, format"),
    ],
)
def test_an_unknown_key_suggests_the_one_that_was_meant(path: Path, text: str, meant: str) -> None:
    said = problem(path, text)
    assert "there is no such key" in said
    assert meant in said


def test_a_key_of_an_earlier_version_is_told_with_its_new_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_file, "RENAMED", {"engine.model_name": "engine.model"})
    said = problem(path, "engine:\n  model_name: x\n")
    assert "it is called engine.model now" in said
    assert "--upgrade" in said


def test_everything_wrong_is_said_at_once(path: Path) -> None:
    said = problem(
        path, "wat: 1\nengine: {kind: x, num_ctx: y}\n", {"MATRIX_AI_BRIDGE__LOG__LEVEL": "loud"}
    )
    assert "4 problems" in said
    for key in ("wat", "engine.kind", "engine.num_ctx", "log.level"):
        assert f"  - {key} (" in said


def test_a_secret_is_never_repeated(path: Path) -> None:
    assert "hunter2" not in problem(path, "engine:\n  api_key: [hunter2]\n")
    said = problem(path, "homeserver:\n  url: 'ftp://me:hunter2@example.org'\n")
    assert "hunter2" not in said
    assert "ftp://me:***@example.org" in said


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("homeserver:\n  url: [1\nlog: y\n", "line 3, column 4", "expected ',' or ']'"),
        ("log:\n\tlevel: info\n", "line 2, column 1", "tabs do not indent"),
        ("log:\n  level: info\nlog:\n  level: debug\n", "line 3, column 1", "twice"),
        ("log: level: info\n", "line 1, column 11", "mapping values"),
    ],
)
def test_a_syntax_error_is_told_with_line_and_column(
    path: Path, text: str, where: str, what: str
) -> None:
    said = problem(path, text)
    assert where in said
    assert what in said


def test_a_file_that_holds_no_keys_is_told(path: Path) -> None:
    assert "holds no keys" in problem(path, "- a\n- b\n")


def test_a_missing_file_says_how_to_get_one(path: Path) -> None:
    with pytest.raises(ConfigError, match="matrix-ai-bridge registration --server-name"):
        load(path, {})


def test_a_file_that_is_no_text_is_told(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path, {})


def test_the_environment_overrides_the_file(path: Path) -> None:
    path.write_text("homeserver:\n  url: http://file:8008\n  server_name: file.org\n")
    settings = load(
        path,
        {
            "MATRIX_AI_BRIDGE__HOMESERVER__URL": "http://env:8008",
            "MATRIX_AI_BRIDGE__HTTP__PORT": "1234",
            "MATRIX_AI_BRIDGE__ENGINE__API_KEY": "[not json]",
            "MATRIX_AI_BRIDGE__ACCESS__INVITE__ALLOW": '["*.org", "@a:b.c"]',
            "MATRIX_AI_BRIDGE__PERSONAS__ENABLED": "luna, milo",
            "MATRIX_AI_BRIDGE__OPERATOR": '{"name": "Ops"}',
            "MATRIX_AI_BRIDGE_CONFIG": "elsewhere.yaml",
        },
    )
    assert settings.homeserver.url == "http://env:8008"
    assert settings.homeserver.server_name == "file.org"
    assert settings.http.port == 1234
    assert settings.engine.api_key.get_secret_value() == "[not json]"
    assert settings.access.invite.allow == ("*.org", "@a:b.c")
    assert settings.personas.enabled == ("luna", "milo")
    assert settings.operator.name == "Ops"


def test_a_bad_value_of_the_environment_is_told_with_its_variable(path: Path) -> None:
    said = problem(path, "", {"MATRIX_AI_BRIDGE__HTTP__PORT": "many"})
    assert 'http.port (from MATRIX_AI_BRIDGE__HTTP__PORT) is "many"; write a whole number' in said


def test_a_variable_that_sets_nothing_is_told_with_the_one_that_was_meant(path: Path) -> None:
    said = problem(path, "", {"MATRIX_AI_BRIDGE__HOMESERVR__URL": "x"})
    assert "did you mean MATRIX_AI_BRIDGE__HOMESERVER__URL?" in said


def test_relative_paths_start_at_the_folder_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("database:\n  url: sqlite:data/b.db\npersonas:\n  folder: mine\n")
    monkeypatch.chdir(path.parent.parent)
    settings = load(Path(path.parent.name) / path.name, {})
    assert settings.database.url == f"sqlite:{path.parent}/data/b.db"
    assert settings.personas.folder == path.parent / "mine"
    assert settings.appservice.registration == path.parent / "registration.yaml"


@pytest.mark.parametrize("url", ["sqlite:/var/b.db", "sqlite:///var/b.db", "postgres://u@h/db"])
def test_addresses_that_are_complete_stay_as_they_are(path: Path, url: str) -> None:
    path.write_text(f"database:\n  url: {url}\n")
    assert load(path, {}).database.url == url


def test_loading_does_not_change_the_environment_or_the_file(path: Path) -> None:
    path.write_text(example_text())
    before = dict(os.environ)
    load(path)
    assert dict(os.environ) == before
    assert path.read_text() == example_text()


def test_the_example_names_a_variable_that_exists(path: Path) -> None:
    path.write_text("")
    names = re.findall(r"MATRIX_AI_BRIDGE__\w+(?==)", example_text())
    assert names
    load(path, dict.fromkeys(names, "x"))
