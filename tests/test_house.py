from __future__ import annotations

import pytest

from bridge.errors import ConfigError
from bridge.house import BRIDGE_PUPPET, build_cast, build_house
from bridge.personas import load_personas, shipped_folder
from bridge.settings import Settings

SHIPPED = sorted(persona.persona_id for persona in load_personas(shipped_folder()))


def settings(**sections: object) -> Settings:
    return Settings.model_validate({"homeserver": {"server_name": "home.example"}, **sections})


def test_the_cast_is_the_enabled_personas_in_their_order_and_the_bridge_user() -> None:
    enabled = list(reversed(SHIPPED))
    cast = build_cast(settings(personas={"enabled": [*enabled, enabled[0]]}))
    assert [puppet.puppet_id for puppet in cast.puppets] == [*enabled, BRIDGE_PUPPET]
    assert [puppet.role for puppet in cast.puppets] == ["persona"] * len(enabled) + ["bridge"]
    assert [puppet.puppet_id for puppet in cast.personas()] == enabled


def test_every_puppet_has_a_user_and_a_device_of_its_own() -> None:
    puppets = build_cast(settings(personas={"enabled": SHIPPED})).puppets
    assert len({puppet.user_id for puppet in puppets}) == len(puppets)
    assert len({puppet.device_id for puppet in puppets}) == len(puppets)
    assert all(puppet.user_id.endswith(":home.example") for puppet in puppets)


def test_a_persona_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"personas\.enabled.*'nobody'") as refusal:
        build_cast(settings(personas={"enabled": ["nobody"]}))
    assert all(name in str(refusal.value) for name in SHIPPED)


def test_a_name_with_braces_is_shown_as_it_is() -> None:
    cast = build_cast(
        settings(personas={"enabled": SHIPPED[:1], "display_name": "{name} {0} (AI)"})
    )
    shown = cast.puppets[0]
    assert shown.display_name == f"{shown.persona.name} {{0}} (AI)"


def test_the_house_is_named_after_its_server_unless_somebody_runs_it() -> None:
    nameless = settings()
    assert build_house(nameless, build_cast(nameless)).operator == "home.example"
    named = settings(operator={"name": "Example Org", "contact": "mailto:ai@example.org"})
    house = build_house(named, build_cast(named))
    assert (house.operator, house.contact) == ("Example Org", "mailto:ai@example.org")
    assert house.access.own_server == "home.example"
    assert house.limits.context_days == named.retention.room_text_days


def test_the_house_knows_which_tools_are_allowed_and_within_which_bounds() -> None:
    house = build_house(
        given := settings(tools={"allow": ["time"], "max_steps": 2}), build_cast(given)
    )
    assert house.tools == ("time",)
    assert house.tool_limits.max_steps == 2
    assert build_house(settings(), build_cast(settings())).tools == ()
