"""May a server take part in a room (spec: m.room.server_acl)?"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import cast


def is_shut_out(server: str, content: Mapping[str, object]) -> bool:
    """Does the room's access list deny this server? One that is no list denies nobody of ours."""
    name = server.lower()
    host = re.sub(r":\d+$", "", name)
    if content.get("allow_ip_literals") is False and _is_address(host):
        return True
    if any(_matches(glob, host) for glob in _globs(content.get("deny"))):
        return True
    return not any(_matches(glob, host) for glob in _globs(content.get("allow")))


def _globs(value: object) -> list[str]:
    listed = cast("list[object]", value) if isinstance(value, list) else []
    return [glob.lower() for glob in listed if isinstance(glob, str)]


def _matches(glob: str, host: str) -> bool:
    pattern = re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, host) is not None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
