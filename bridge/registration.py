"""The appservice registration: what the homeserver and the bridge know of each other."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bridge import log
from bridge.errors import ConfigError, SetupError
from bridge.settings import Settings

ID: Final = "matrix-ai-bridge"
_TOKEN_BYTES: Final = 48
_SENDER_BYTES: Final = 12
_SAFE_MODE: Final = 0o600
_PLAIN: Final = re.compile(r"[\w./-]+")

_TEMPLATE: Final = """\
# Appservice registration of Matrix AI Bridge. It holds two secrets: let only the bridge and the
# homeserver read it. Restart the homeserver after every change.

id: {id}

# Where the homeserver sends events: the bridge, as the homeserver sees it.
url: {url}

as_token: {as_token}
hs_token: {hs_token}

# A user that is never used: Synapse treats this one unlike all others.
sender_localpart: {sender_localpart}

namespaces:
  users:
    # The puppets.
    - exclusive: true
      regex: {puppet_regex}
    # The bridge user.
    - exclusive: true
      regex: {bridge_regex}
  # Empty on purpose: an alias or room namespace would send us rooms that nobody invited us to.
  aliases: []
  rooms: []

# Puppets pace themselves; a limit of the homeserver would only hold up their replies.
rate_limited: false

# Typing and read receipts of people are nothing that the bridge uses, so it asks for none.
receive_ephemeral: false

# Puppets get their device without logging in (MSC4190).
io.element.msc4190: true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A registration as far as the bridge uses it. `user_regexes`: of exclusive namespaces."""

    id: str
    url: str
    as_token: str = field(repr=False)
    hs_token: str = field(repr=False)
    sender_localpart: str
    user_regexes: tuple[str, ...]
    has_other_namespaces: bool = False
    is_rate_limited: bool = True
    has_device_management: bool = False
    """MSC4190: devices without login."""


def new_registration(settings: Settings) -> Registration:
    """A registration with fresh tokens for these settings."""
    server = re.escape(settings.homeserver.server_name)
    prefix = re.escape(settings.appservice.puppet_prefix)
    bridge_user = re.escape(settings.appservice.bridge_user)
    return Registration(
        id=ID,
        url=settings.appservice.url,
        as_token=secrets.token_urlsafe(_TOKEN_BYTES),
        hs_token=secrets.token_urlsafe(_TOKEN_BYTES),
        sender_localpart=f"_{ID}_{secrets.token_hex(_SENDER_BYTES)}",
        # The homeserver matches from the start only, so the end must be said.
        user_regexes=(f"^@{prefix}.*:{server}$", f"^@{bridge_user}:{server}$"),
        is_rate_limited=False,
        has_device_management=True,
    )


def to_yaml(registration: Registration) -> str:
    """The file's text. `registration` is one of `new_registration`."""
    puppet_regex, bridge_regex = registration.user_regexes
    return _TEMPLATE.format(
        id=registration.id,
        url=_quoted(registration.url),
        as_token=_quoted(registration.as_token),
        hs_token=_quoted(registration.hs_token),
        sender_localpart=_quoted(registration.sender_localpart),
        puppet_regex=_quoted(puppet_regex),
        bridge_regex=_quoted(bridge_regex),
    )


def write_registration(
    path: Path, registration: Registration, *, may_replace: bool = False
) -> None:
    """Write the file with mode 0600. Raises SetupError, where one is there already too."""
    if path.exists() and not may_replace:
        raise SetupError(
            f"{path} exists, and the homeserver knows the tokens in it. Use --force to replace it "
            "by new ones; then restart the homeserver."
        )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _SAFE_MODE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(to_yaml(registration))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SetupError(
            f"{path} cannot be written ({error.strerror}). Let the user that runs this write to "
            f"{path.parent}, or set appservice.registration to another place."
        ) from error


def load_registration(path: Path) -> Registration:
    """Read a registration. Raises ConfigError; warns where everybody may read its secrets."""
    registration = _registration(_read(path), path)
    if is_world_readable(path):
        log.get("registration").warning("registration_is_world_readable", path=str(path))
    return registration


def is_world_readable(path: Path) -> bool:
    """Whether every user of this machine may read the secrets in it."""
    return bool(path.stat().st_mode & stat.S_IROTH)


def _read(path: Path) -> Mapping[Any, Any]:
    try:
        content: object = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"There is no registration at {path}. Create it with `matrix-ai-bridge registration`."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}). Let the user that runs the bridge read it."
        ) from error
    except MarkedYAMLError as error:
        # The parser's own words quote the line, and that may be a token.
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: this is not YAML. {_AGAIN}") from None
    except YAMLError:
        raise ConfigError(f"{path} is not YAML. {_AGAIN}") from None
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path} is no registration. {_AGAIN}")
    return content


_AGAIN: Final = (
    "Correct it, or write a new one with `matrix-ai-bridge registration --force` and restart the "
    "homeserver."
)


def _registration(content: Mapping[Any, Any], path: Path) -> Registration:
    namespaces = content.get("namespaces")
    kinds: Mapping[Any, Any] = namespaces if isinstance(namespaces, Mapping) else {}
    return Registration(
        id=_text(content, "id", path),
        url=str(content.get("url") or ""),
        as_token=_text(content, "as_token", path),
        hs_token=_text(content, "hs_token", path),
        sender_localpart=_text(content, "sender_localpart", path),
        user_regexes=_user_regexes(kinds.get("users"), path),
        has_other_namespaces=bool(kinds.get("aliases") or kinds.get("rooms")),
        is_rate_limited=content.get("rate_limited") is not False,
        has_device_management=content.get("io.element.msc4190") is True,
    )


def _text(content: Mapping[Any, Any], key: str, path: Path) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path}: {key} is missing or is no text. {_AGAIN}")
    return value


def _user_regexes(users: object, path: Path) -> tuple[str, ...]:
    regexes: list[str] = []
    for entry in users if isinstance(users, list) else []:
        if not isinstance(entry, Mapping) or entry.get("exclusive") is not True:
            continue
        regex = entry.get("regex")
        try:
            re.compile(regex if isinstance(regex, str) else "(")
        except re.error:
            raise ConfigError(
                f"{path}: namespaces.users holds {regex!r}, which is no regular expression. "
                f"{_AGAIN}"
            ) from None
        regexes.append(str(regex))
    return tuple(regexes)


def _quoted(text: str) -> str:
    """As a YAML scalar that means exactly this text."""
    return "'" + text.replace("'", "''") + "'"


def instructions(path: Path, settings: Settings) -> str:
    """What the operator does next, with the lines to add to Synapse's configuration."""
    return f"""\
Wrote {path} (mode 0600: it holds two secrets).

1. Add this to Synapse's homeserver.yaml. If app_service_config_files is there already, add only
   the second line to it:

app_service_config_files:
  - {path if _PLAIN.fullmatch(str(path)) else _quoted(str(path))}

   The user that runs Synapse must be able to read the file. If that is another user than yours,
   give Synapse a copy of its own and name that instead, for instance:

     sudo install -o matrix-synapse -m 0600 {shlex.quote(str(path))} /etc/matrix-synapse/

2. Restart Synapse:

     sudo systemctl restart matrix-synapse        (in a container: docker restart synapse)

3. Check everything, then start:

     matrix-ai-bridge doctor
     matrix-ai-bridge run

Synapse will send events to {settings.appservice.url} (appservice.url), so it must reach the bridge
there."""
