"""What the settings promise: documented keys, and values that fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from bridge.config_file import anchored, key_names, load
from bridge.settings import AppserviceSettings, EngineSettings, HomeserverSettings, Settings

EXAMPLE = Path(__file__).parents[1] / "config" / "example.yaml"


def test_the_example_has_exactly_the_keys_of_the_settings_in_their_order() -> None:
    assert dotted(YAML(typ="safe").load(EXAMPLE)) == list(key_names())


def test_the_example_has_the_defaults_of_the_settings() -> None:
    assert load(EXAMPLE, {}) == anchored(Settings(), EXAMPLE.parent)


def test_every_key_of_the_example_has_a_comment_above_it_or_above_its_section() -> None:
    above = "#"
    for number, line in enumerate(EXAMPLE.read_text().splitlines(), 1):
        is_key = ":" in line and not line.lstrip().startswith("#")
        is_inner_list = line.startswith("    ")
        if is_key and line.startswith("  ") and not is_inner_list:
            assert above.lstrip().startswith("#"), f"line {number} explains nothing: {line}"
        above = line


def test_the_example_mentions_nothing_of_the_machine_it_was_written_on() -> None:
    text = EXAMPLE.read_text()
    assert "/root" not in text
    assert "/work" not in text


@pytest.mark.parametrize(
    "server_name",
    ["example.org", "example.org:8448", "localhost:18102", "127.0.0.1:8008", "[::1]:8448"],
)
def test_server_names_of_every_kind_are_accepted(server_name: str) -> None:
    assert HomeserverSettings(server_name=server_name).server_name == server_name


@pytest.mark.parametrize("server_name", ["", "https://example.org", "@a:example.org", "a/b", "a b"])
def test_what_is_no_server_name_is_refused(server_name: str) -> None:
    with pytest.raises(ValidationError):
        HomeserverSettings(server_name=server_name)


@pytest.mark.parametrize("url", ["localhost:8008", "ftp://a", "http://", "http://a:99999", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        HomeserverSettings(url=url)


def test_an_address_loses_its_last_slash() -> None:
    assert HomeserverSettings(url="https://example.org/").url == "https://example.org"


def test_an_empty_prefix_would_claim_every_user_and_is_refused() -> None:
    with pytest.raises(ValidationError):
        AppserviceSettings(puppet_prefix="")


def test_no_persona_file_can_take_the_id_of_the_bridge_user() -> None:
    with pytest.raises(ValidationError, match="must not begin with puppet_prefix"):
        AppserviceSettings(puppet_prefix="ai", bridge_user="aibridge")


def test_a_reply_that_fills_the_whole_window_is_refused() -> None:
    with pytest.raises(ValidationError, match="leaves no room for the conversation"):
        EngineSettings(num_ctx=1024, max_reply_tokens=1000)


def test_the_prompt_gets_what_the_reply_leaves_of_the_window() -> None:
    settings = Settings(engine=EngineSettings(num_ctx=4096, max_reply_tokens=400))
    assert settings.limits().prompt_tokens < 4096 - 400


def test_user_ids_are_made_of_prefix_name_and_server() -> None:
    settings = Settings(homeserver=HomeserverSettings(server_name="example.org:8448"))
    assert settings.puppet_user_id("luna") == "@ai_luna:example.org:8448"
    assert settings.bridge_user_id() == "@aibridge:example.org:8448"


WEATHER = {"name": "weather", "command": ["weather-server"]}


def test_no_tool_is_allowed_unless_it_is_named() -> None:
    assert Settings().tools.allow == ()
    assert Settings().limits().prompt_tokens == Settings().engine.prompt_tokens()


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ({"allow": ["shell"]}, "no tool shell; there are time and search"),
        ({"allow": ["weather.forecast"]}, "servers lists no weather"),
        ({"allow": ["weather.*"], "servers": [WEATHER]}, "write time, search, or a server"),
        ({"servers": [WEATHER, WEATHER]}, "weather is there twice"),
        ({"servers": [{"name": "weather"}]}, "weather needs either a command or a url"),
        ({"servers": [{**WEATHER, "url": "http://x/"}]}, "either a command or a url"),
        ({"servers": [{"name": "weather", "url": "x"}]}, "write a full address"),
        ({"servers": [{**WEATHER, "headers": {"a": "b"}}]}, "env goes with a command"),
        ({"servers": [{**WEATHER, "name": "We.ather"}]}, "a-z, 0-9 and -"),
        ({"max_steps": 0}, "greater than or equal to 1"),
    ],
)
def test_tools_that_cannot_be_are_refused(tools: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings.model_validate({"tools": tools})


def test_prompts_leave_room_for_tools_and_never_more_than_a_third() -> None:
    tools = {"allow": ["time", "weather.forecast"], "servers": [WEATHER]}
    settings = Settings.model_validate({"tools": tools})
    left = settings.engine.prompt_tokens() - settings.limits().prompt_tokens
    assert left == settings.tools.limits(settings.engine.prompt_tokens()).reserve_tokens == 1600
    small = Settings.model_validate({"tools": tools, "engine": {"num_ctx": 1024}})
    assert small.limits().prompt_tokens > 370


def test_a_secret_of_a_server_is_not_shown() -> None:
    server = {"name": "wiki", "url": "http://x", "headers": {"Authorization": "Bearer hunter2"}}
    assert "hunter2" not in repr(Settings.model_validate({"tools": {"servers": [server]}}))


def dotted(content: dict[str, Any], above: str = "") -> list[str]:
    names: list[str] = []
    for name, value in content.items():
        names += dotted(value, f"{above}{name}.") if isinstance(value, dict) else [above + name]
    return names
