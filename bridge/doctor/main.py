"""All checks in the order in which failures explain each other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bridge.clock import Clock
from bridge.config_file import load
from bridge.doctor import homeserver as checks
from bridge.doctor.database import check_database
from bridge.doctor.engine import check_engine
from bridge.doctor.files import check_access, check_registration
from bridge.doctor.finding import Finding, fail, ok, skip, warn
from bridge.doctor.invariants import check_invariants, check_refusals
from bridge.doctor.kept import check_kept
from bridge.domain.cast import Cast
from bridge.errors import ConfigError
from bridge.house import build_cast
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.registration import Registration
from bridge.settings import Settings

_AFTER_CONFIG = (
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
)
_OF_HOMESERVER = ("tokens", "ping", "repeated send", "clock")


async def examine(
    config: Path, clock: Clock, environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """Every finding. Raises nothing of ours: what goes wrong is a finding."""
    try:
        settings = load(config, environ)
        cast = build_cast(settings)
    except ConfigError as error:
        config_finding = fail("config", str(error), "Correct that and run this again.")
        return [config_finding, *(skip(name, "a configuration") for name in _AFTER_CONFIG)]
    registration, registration_finding = check_registration(settings, cast)
    return [
        _valid(config, cast),
        check_access(settings),
        registration_finding,
        await check_database(settings.database.url, clock),
        await check_kept(settings.database.url, settings.retention.room_text_days, clock),
        *await check_refusals(settings.database.url, clock),
        *await _examine_homeserver(settings, registration, cast, clock),
        *await check_engine(settings.engine, cast),
    ]


async def examine_invariants(
    config: Path, clock: Clock, environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """Whether the tables hold what they must; nothing else is looked at. Raises nothing of ours."""
    try:
        settings = load(config, environ)
    except ConfigError as error:
        return [fail("config", str(error), "Correct that and run this again.")]
    kept_days = settings.retention.room_text_days
    return await check_invariants(settings.database.url, kept_days, clock)


def _valid(config: Path, cast: Cast) -> Finding:
    names = ", ".join(puppet.persona.name for puppet in cast.personas())
    if not names:
        return warn(
            "config",
            f"{config.absolute()} is valid, but no persona is enabled, so nobody will answer.",
            "Name one in personas.enabled, such as luna.",
        )
    return ok("config", f"{config.absolute()} is valid; enabled: {names}.")


async def _examine_homeserver(
    settings: Settings, registration: Registration | None, cast: Cast, clock: Clock
) -> list[Finding]:
    homeserver = MatrixHomeserver(
        url=settings.homeserver.url, as_token=registration.as_token if registration else ""
    )
    try:
        reachable = await checks.check_reachable(homeserver, settings.homeserver.url)
        if reachable.level == "fail":
            return [reachable, *(skip(name, "the homeserver") for name in _OF_HOMESERVER)]
        clocks = await checks.check_clock(homeserver, clock)
        if registration is None:
            needs = [skip(name, "a registration") for name in _OF_HOMESERVER if name != "clock"]
            return [reachable, *needs, clocks]
        return [
            reachable,
            *await _examine_appservice(homeserver, registration, settings, cast, clock),
            clocks,
        ]
    finally:
        await homeserver.close()


async def _examine_appservice(
    homeserver: MatrixHomeserver,
    registration: Registration,
    settings: Settings,
    cast: Cast,
    clock: Clock,
) -> list[Finding]:
    server_name = settings.homeserver.server_name
    tokens = await checks.check_tokens(homeserver, registration, server_name)
    if tokens.level == "fail":
        return [tokens, *(skip(name, "valid tokens") for name in ("ping", "repeated send"))]
    ping = await checks.check_ping(homeserver, registration, settings, cast, clock)
    bridge_user = next(puppet for puppet in cast.puppets if puppet.role == "bridge")
    operator = settings.operator.name or server_name
    return [tokens, ping, await checks.check_repeated_send(homeserver, bridge_user, operator)]
