"""The registration file: what is written, and what is said of one that cannot be used."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bridge.errors import ConfigError, SetupError
from bridge.registration import (
    instructions,
    load_registration,
    new_registration,
    to_yaml,
    write_registration,
)
from bridge.settings import HomeserverSettings, Settings

SETTINGS = Settings(homeserver=HomeserverSettings(server_name="my.example.org:8448"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registration.yaml"


def test_what_is_written_is_read_again(path: Path) -> None:
    registration = new_registration(SETTINGS)
    write_registration(path, registration)
    assert load_registration(path) == registration


def test_tokens_are_new_each_time_and_hold_at_least_256_bits() -> None:
    one, two = new_registration(SETTINGS), new_registration(SETTINGS)
    tokens = {one.as_token, one.hs_token, two.as_token, two.hs_token}
    assert len(tokens) == 4
    for token in tokens:
        assert re.fullmatch(r"[\w-]+", token)
        assert len(token) * 6 >= 256
    assert one.sender_localpart != two.sender_localpart


def test_only_the_owner_may_read_it_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        write_registration(path, new_registration(SETTINGS))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_existing_file_is_kept_unless_it_may_be_replaced(path: Path) -> None:
    path.write_text("mine")
    path.chmod(0o644)
    with pytest.raises(SetupError, match="--force"):
        write_registration(path, new_registration(SETTINGS))
    assert path.read_text() == "mine"
    write_registration(path, new_registration(SETTINGS), may_replace=True)
    assert load_registration(path).id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_told(path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be written"):
        write_registration(path.parent / "nowhere" / "r.yaml", new_registration(SETTINGS))


@pytest.mark.parametrize(
    ("user_id", "is_ours"),
    [
        ("@ai_luna:my.example.org:8448", True),
        ("@aibridge:my.example.org:8448", True),
        ("@ai_luna:my.example.org:84480", False),
        ("@ai_luna:my.example.org:8448.evil.org", False),
        ("@ai_luna:myxexample.org:8448", False),
        ("@ai_luna:other.org", False),
        ("@alice:my.example.org:8448", False),
        ("@aibridge2:my.example.org:8448", False),
        ("@x@ai_luna:my.example.org:8448", False),
    ],
)
def test_the_namespaces_hold_our_users_and_nobody_else(user_id: str, is_ours: bool) -> None:
    regexes = new_registration(SETTINGS).user_regexes
    assert any(re.match(regex, user_id) for regex in regexes) is is_ours


def test_the_sender_is_in_no_namespace_and_is_no_bridge_user() -> None:
    registration = new_registration(SETTINGS)
    sender = f"@{registration.sender_localpart}:my.example.org:8448"
    assert not any(re.match(regex, sender) for regex in registration.user_regexes)


def test_synapse_reads_what_it_needs_from_the_file() -> None:
    content = YAML(typ="safe").load(to_yaml(new_registration(SETTINGS)))
    assert content["url"] == "http://localhost:9009"
    assert content["rate_limited"] is False
    assert content["io.element.msc4190"] is True
    assert all(entry["exclusive"] is True for entry in content["namespaces"]["users"])
    assert content["namespaces"]["rooms"] == []
    assert content["namespaces"]["aliases"] == []


def test_the_instructions_name_the_file_by_its_full_path(path: Path) -> None:
    said = instructions(path, SETTINGS)
    assert f"app_service_config_files:\n  - {path}\n" in said
    assert "systemctl restart matrix-synapse" in said
    assert "matrix-ai-bridge doctor" in said


def test_a_path_with_spaces_stays_one_path() -> None:
    said = instructions(Path("/srv/my bridge/registration.yaml"), SETTINGS)
    block = said[said.index("\napp_service_config_files") :].strip().split("\n\n")[0]
    assert YAML(typ="safe").load(block) == {
        "app_service_config_files": ["/srv/my bridge/registration.yaml"]
    }
    assert "'/srv/my bridge/registration.yaml' /etc" in said


def test_secrets_are_in_no_repr() -> None:
    registration = new_registration(SETTINGS)
    assert registration.as_token not in repr(registration)
    assert registration.hs_token not in repr(registration)


def test_a_missing_file_says_how_to_get_one(path: Path) -> None:
    with pytest.raises(ConfigError, match="Create it with `matrix-ai-bridge registration`"):
        load_registration(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("hs_token: ", "hs_tok: "), "hs_token is missing"),
        (lambda text: re.sub(r"as_token: .*", "as_token: 5", text), "as_token is missing or is no"),
        (lambda text: text.replace("regex: '^@ai_", "regex: '^(@ai_"), "no regular expression"),
        (lambda text: "- a", "is no registration"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(path: Path, change: object, said: str) -> None:
    assert callable(change)
    path.write_text(change(to_yaml(new_registration(SETTINGS))))
    with pytest.raises(ConfigError, match=said):
        load_registration(path)


def test_a_syntax_error_is_told_by_its_place_and_repeats_no_token(path: Path) -> None:
    path.write_text("id: a\nas_token: 'hunter2\n")
    with pytest.raises(ConfigError) as caught:
        load_registration(path)
    assert "line" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_everybody_may_read_is_warned_of(
    path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    write_registration(path, new_registration(SETTINGS))
    load_registration(path)
    assert "world_readable" not in caplog.text + capsys.readouterr().out
    path.chmod(0o644)
    load_registration(path)
    assert "world_readable" in caplog.text + capsys.readouterr().out


def test_what_somebody_else_wrote_is_read_with_the_defaults_of_the_specification(
    path: Path,
) -> None:
    path.write_text(
        "id: x\nurl: null\nas_token: a\nhs_token: b\nsender_localpart: s\n"
        "namespaces:\n  users: [{regex: '@ai_.*'}, {exclusive: true, regex: '@b'}]\n"
        "  rooms: [{regex: '.*'}]\n"
    )
    registration = load_registration(path)
    assert registration.url == ""
    assert registration.user_regexes == ("@b",)
    assert registration.is_rate_limited
    assert registration.has_other_namespaces
    assert not registration.has_device_management
