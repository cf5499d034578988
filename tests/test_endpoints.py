"""Servers of models come and go with the configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridge import endpoints as endpoints_module
from bridge.clock import FakeClock
from bridge.endpoints import Endpoints, check_tools, tool_sources
from bridge.errors import ConfigError
from bridge.settings import EndpointSettings, EngineSettings, ToolsSettings

ONE = EngineSettings(url="http://one:11434", slots=2)
TWO = ONE.model_copy(
    update={"endpoints": (EndpointSettings(url="http://two:11434", models=("27b",), slots=4),)}
)


def test_the_first_server_and_the_further_ones_are_endpoints() -> None:
    first, second = Endpoints(TWO, FakeClock()).pool.endpoints
    assert (first.name, first.slots, first.serves("any")) == ("http://one:11434", 2, True)
    assert (second.name, second.slots) == ("http://two:11434", 4)
    assert second.serves("27b")
    assert not second.serves("4b")


def test_an_endpoint_is_named_without_the_password_of_its_address() -> None:
    settings = EngineSettings(
        url="http://me:hunter2@one:11434",
        endpoints=(EndpointSettings(kind="openai", url="http://me:hunter2@two:8000"),),
    )
    names = [each.name for each in Endpoints(settings, FakeClock()).pool.endpoints]
    assert names == ["http://one:11434", "http://two:8000/v1"]


def test_what_stays_the_same_stays_as_it_is() -> None:
    endpoints = Endpoints(ONE, FakeClock())
    (first,) = endpoints.pool.endpoints
    endpoints.change(TWO)
    assert endpoints.pool.endpoints[0] is first
    endpoints.change(ONE)
    assert endpoints.pool.endpoints == (first,)


def test_a_changed_server_is_a_new_one() -> None:
    endpoints = Endpoints(ONE, FakeClock())
    before = endpoints.pool.endpoints[0]
    endpoints.change(ONE.model_copy(update={"num_ctx": 4096}))
    assert endpoints.pool.endpoints[0] is not before


def test_a_server_named_twice_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="is there twice"):
        EngineSettings(
            url="http://one:11434", endpoints=(EndpointSettings(url="http://one:11434/"),)
        )


def test_the_demo_engine_is_an_endpoint_too() -> None:
    pool = Endpoints(EngineSettings(kind="demo"), FakeClock()).pool
    assert pool.label == "demo engine, no AI model connected"


TOOLS = ToolsSettings.model_validate(
    {
        "allow": ["time", "house.door"],
        "servers": [
            {"name": "house", "command": ["house-server"], "env": {"KEY": "k"}},
            {"name": "garden", "url": "http://garden/mcp"},
        ],
    }
)


def test_a_server_of_tools_is_used_where_a_tool_of_it_is_allowed() -> None:
    pytest.importorskip("mcp", reason="the extra [mcp] is not installed")
    assert len(tool_sources(TOOLS)) == 1
    assert tool_sources(ToolsSettings(allow=("time",))) == []


def test_without_the_extra_the_operator_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endpoints_module, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install matrix-ai-bridge\[mcp\]"):
        tool_sources(TOOLS)
    check_tools(ToolsSettings(allow=("time",)))
