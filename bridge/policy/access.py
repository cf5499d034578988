"""Who may invite and who is answered: globs of users, servers and rooms. Deny wins."""

from __future__ import annotations

import re

from bridge.domain.access import Access, Rule
from bridge.domain.ids import RoomId, UserId, server_of


def may_invite(access: Access, user_id: UserId, room_id: RoomId) -> bool:
    return _allows(access.invite, access.own_server, user_id, room_id)


def may_ask(access: Access, user_id: UserId, room_id: RoomId) -> bool:
    return _allows(access.ask, access.own_server, user_id, room_id)


def is_denied(rule: Rule, user_id: UserId, room_id: RoomId) -> bool:
    """Shut out by name, not merely absent from those let in."""
    # A server is denied on all of its ports, as in the access lists of rooms.
    return matches(rule.deny, user_id, room_id)


def _allows(rule: Rule, own_server: str, user_id: UserId, room_id: RoomId) -> bool:
    if is_denied(rule, user_id, room_id):
        return False
    server = server_of(user_id)
    if not rule.allow:
        return server == own_server
    return any(_matches(glob, user_id, (server,), room_id) for glob in rule.allow)


def _matches(glob: str, user_id: UserId, servers: tuple[str, ...], room_id: RoomId) -> bool:
    match glob[:1]:
        case "@":
            candidates: tuple[str, ...] = (user_id,)
        case "!":
            candidates = (room_id,)
        case _:
            glob, candidates = glob.lower(), tuple(server.lower() for server in servers)
    pattern = re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".")
    return any(re.fullmatch(pattern, candidate, re.DOTALL) for candidate in candidates)


def _without_port(server: str) -> str:
    return re.sub(r":\d+$", "", server)


def matches(globs: tuple[str, ...], user_id: UserId, room_id: RoomId) -> bool:
    """Does one of the globs name the user, its server or the room?"""
    servers = (server_of(user_id), _without_port(server_of(user_id)))
    return any(_matches(glob, user_id, servers, room_id) for glob in globs)
