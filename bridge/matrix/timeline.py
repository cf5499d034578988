"""A room's timeline as the homeserver gives it to a member. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast


def since_joined(chunk: Sequence[object], user_id: str) -> list[object]:
    """The oldest first, from the user's latest join on, of a `chunk` with the newest first."""
    found: list[object] = []
    for raw in chunk:
        found.append(raw)
        if _is_join(raw, user_id):
            break
    return found[::-1]


def _is_join(raw: object, user_id: str) -> bool:
    event = _object(raw)
    if event.get("type") != "m.room.member" or event.get("state_key") != user_id:
        return False
    # Members also join anew to change their names.
    before = _object(_object(event.get("unsigned")).get("prev_content")).get("membership")
    return _object(event.get("content")).get("membership") == "join" and before != "join"


def _object(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else {}
