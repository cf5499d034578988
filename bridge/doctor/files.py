"""Checks of what the operator wrote: access rules and the registration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bridge.doctor.finding import Finding, fail, ok, warn
from bridge.domain.cast import Cast
from bridge.errors import ConfigError
from bridge.registration import Registration, is_world_readable, load_registration
from bridge.settings import Settings

_REWRITE: Final = (
    "Write a new one with `matrix-ai-bridge registration --force`, then restart the homeserver."
)
_EVERYBODY: Final = frozenset({"*", "**", "@*", "@*:*", "*:*"})


def check_access(settings: Settings) -> Finding:
    """Who may use the puppets, and what `"*"` means."""
    access = settings.access
    invite, ask = (_is_open(rule.allow) for rule in (access.invite, access.ask))
    if not invite and not ask:
        return ok("access", f"{_who(settings)} may invite puppets and ask them.")
    what = " and ".join(
        words for is_open, words in ((invite, "invite puppets"), (ask, "ask them")) if is_open
    )
    return warn(
        "access",
        f'"*" lets everybody on every server that yours federates with {what}: strangers use your '
        f"engine, and what they write is sent to it. At most {access.max_invites_per_day} invites "
        f"per person and day, {access.max_rooms} rooms and {access.max_members} members of a room "
        "are accepted.",
        "If that is not meant, name servers or users in access.invite.allow and access.ask.allow.",
    )


def _is_open(patterns: tuple[str, ...]) -> bool:
    return any(pattern in _EVERYBODY for pattern in patterns)


def _who(settings: Settings) -> str:
    named = {*settings.access.invite.allow, *settings.access.ask.allow}
    if not named:
        return f"People of {settings.homeserver.server_name}"
    return f"Those whom access.invite.allow and access.ask.allow name ({', '.join(sorted(named))})"


def check_registration(settings: Settings, cast: Cast) -> tuple[Registration | None, Finding]:
    """The registration, where it can be read, and what is wrong with it first."""
    path = settings.appservice.registration
    try:
        registration = load_registration(path)
        is_open = is_world_readable(path)
    except ConfigError as error:
        return None, fail("registration", str(error), _REWRITE)
    problem = next(_problems(registration, settings, cast), None)
    if problem:
        return registration, problem
    if is_open:
        return registration, warn(
            "registration",
            f"Every user of this machine may read the secrets in {path}.",
            f"Run: chmod 600 {path}",
        )
    return registration, ok(
        "registration",
        f"{path} claims the users of the puppets and no others, and sets the flags needed.",
    )


def _problems(registration: Registration, settings: Settings, cast: Cast) -> Iterator[Finding]:
    """The worst first."""
    name = "registration"
    users = [puppet.user_id for puppet in cast.puppets]
    if unclaimed := [user for user in users if not _claims(registration, user)]:
        yield fail(
            name,
            f"No exclusive user namespace of the registration holds {', '.join(unclaimed)}.",
            f"Names or server changed since it was written. {_REWRITE}",
        )
    server = settings.homeserver.server_name
    if _claims(registration, f"@a-person-of-this-server:{server}"):
        yield fail(
            name,
            f"The registration claims people of {server} too, so that they cannot register.",
            _REWRITE,
        )
    if f"@{registration.sender_localpart}:{server}" in users:
        yield fail(
            name,
            "sender_localpart is one of our own users; Synapse treats that user unlike others.",
            _REWRITE,
        )
    if registration.is_rate_limited:
        yield fail(
            name,
            "The homeserver limits the rate of the puppets, so that replies wait or are refused.",
            "Set `rate_limited: false` in the registration and restart the homeserver.",
        )
    if not registration.has_device_management:
        yield fail(
            name,
            "Puppets may not make a device, and without one a repeated send posts twice.",
            "Set `io.element.msc4190: true` in the registration and restart the homeserver.",
        )
    if registration.url.rstrip("/") != settings.appservice.url:
        yield fail(
            name,
            f"The homeserver is told to send to {registration.url or 'nowhere'}, but "
            f"appservice.url is {settings.appservice.url}.",
            "Set `url` in the registration to that address and restart the homeserver.",
        )
    if registration.has_other_namespaces:
        yield warn(
            name,
            "It claims aliases or rooms, so that the homeserver sends everything of rooms that "
            "no puppet was invited to.",
            "Leave namespaces.aliases and namespaces.rooms empty and restart the homeserver.",
        )


def _claims(registration: Registration, user_id: str) -> bool:
    return any(re.match(regex, user_id) for regex in registration.user_regexes)
