"""Who takes part in a conversation, and the house that it takes place in."""

from __future__ import annotations

from typing import Final
from zoneinfo import available_timezones

from bridge.domain.access import Access, Limits, Rule
from bridge.domain.cast import Cast
from bridge.domain.ids import DeviceId, PuppetId, UserId
from bridge.domain.persona import Persona, Puppet
from bridge.policy.view import House
from bridge.replay.scenario import Scenario

SERVER: Final = "home.example"


def user_of(scenario: Scenario, name: str) -> UserId:
    if any(p.name == name for p in scenario.puppets):
        return UserId(f"@ai_{name}:{SERVER}")
    person = next((p for p in scenario.people if p.name == name), None)
    return UserId(f"@{name}:{person.server if person else SERVER}")


def house_of(scenario: Scenario) -> House:
    puppets = tuple(
        Puppet(
            puppet_id=PuppetId(part.name),
            user_id=user_of(scenario, part.name),
            device_id=DeviceId(f"AI_{part.name.upper()}"),
            display_name=f"{part.name.capitalize()} (AI)",
            persona=Persona(
                persona_id=PuppetId(part.name),
                version="1",
                name=part.name.capitalize(),
                aliases=part.aliases,
                description=f"{part.name.capitalize()}, a character of this conversation.",
                character=f"{part.name.capitalize()} is friendly.",
            ),
        )
        for part in scenario.puppets
    )
    everyone = Rule(allow=("*",))
    return House(
        cast=Cast(puppets),
        access=Access(own_server=SERVER, invite=everyone, ask=everyone),
        limits=Limits(),
        operator="replay",
        time_zones=tuple(sorted(available_timezones())),
        bots=tuple(user_of(scenario, name) for name in scenario.bots),
        admins=tuple(user_of(scenario, name) for name in scenario.admins),
    )
