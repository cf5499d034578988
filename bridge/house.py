"""What a configuration says, as domain values: who is in the cast, and what holds in the house."""

from __future__ import annotations

from typing import Final
from zoneinfo import available_timezones

from bridge.domain.cast import Cast
from bridge.domain.ids import DeviceId, PuppetId, UserId
from bridge.domain.persona import Persona, Puppet
from bridge.errors import ConfigError
from bridge.personas import load_personas, shipped_folder
from bridge.policy.view import House
from bridge.settings import Settings

BRIDGE_PUPPET: Final = PuppetId("~bridge")
"""No persona's file can have this name."""


def build_cast(settings: Settings) -> Cast:
    """The enabled personas as puppets, and the bridge user. Raises ConfigError."""
    personas = {
        p.persona_id: p for p in load_personas(settings.personas.folder or shipped_folder())
    }
    missing = [name for name in settings.personas.enabled if name not in personas]
    if missing:
        raise ConfigError(
            f"personas.enabled: there is no persona {missing[0]!r}. "
            f"Known ones: {', '.join(sorted(personas))}."
        )
    puppets = [
        _puppet(settings, personas[PuppetId(name)])
        for name in dict.fromkeys(settings.personas.enabled)
    ]
    bridge_user = Puppet(
        puppet_id=BRIDGE_PUPPET,
        user_id=UserId(settings.bridge_user_id()),
        device_id=DeviceId("AIBRIDGE"),
        display_name="AI Bridge",
        role="bridge",
        persona=Persona(
            persona_id=BRIDGE_PUPPET,
            version="1",
            name="AI Bridge",
            description="Lists the AI members of this server.",
            character="",
        ),
    )
    return Cast((*puppets, bridge_user))


def _puppet(settings: Settings, persona: Persona) -> Puppet:
    return Puppet(
        puppet_id=persona.persona_id,
        user_id=UserId(settings.puppet_user_id(persona.persona_id)),
        device_id=DeviceId(f"AI_{persona.persona_id.upper()}"),
        display_name=settings.personas.display_name.replace("{name}", persona.name),
        persona=persona,
    )


def build_house(settings: Settings, cast: Cast) -> House:
    return House(
        cast=cast,
        access=settings.access_rules(),
        limits=settings.limits(),
        operator=settings.operator.name or settings.homeserver.server_name,
        contact=settings.operator.contact,
        command_prefix=settings.rooms.command_prefix,
        language=settings.rooms.language,
        admins=settings.admins,
        bots=settings.bots,
        max_level=settings.rooms.max_level,
        ai_share=settings.rooms.ai_share,
        budgets=settings.all_budgets(),
        has_eyes=bool(settings.engine.vision_model),
        summaries=settings.rooms.summaries,
        time_zone=settings.rooms.time_zone,
        time_zones=tuple(sorted(available_timezones())),
        care=settings.operator.care,
        tools=settings.tools.allow,
        tool_limits=settings.tools.limits(settings.engine.prompt_tokens()),
    )


def unallowed_tools(settings: Settings, cast: Cast) -> dict[PuppetId, tuple[str, ...]]:
    """Tools that enabled personas name and the operator does not allow, by persona."""
    found = {
        puppet.puppet_id: tuple(t for t in puppet.persona.tools if t not in settings.tools.allow)
        for puppet in cast.personas()
    }
    return {puppet_id: names for puppet_id, names in found.items() if names}
