"""What an unusable event looked like, without what anybody wrote in it.

Nobody could redact it: we do not even know for sure whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

_KEPT: Final = {
    "type": re.compile(r"[\w.-]{1,100}"),
    "event_id": re.compile(r"\$\S{1,254}"),
    "room_id": re.compile(r"!\S{1,254}"),
}
"""Texts that are kept where an event has them, and how they look then."""

_KEY: Final = re.compile(r"[\w.-]{1,60}")


def shape_of(event: object) -> object:
    """The event with each text in it replaced by its length. Raises RecursionError."""
    if not isinstance(event, dict):
        return _shape(event)
    shape = cast(dict[str, object], _shape(cast(object, event)))
    for key, looks in _KEPT.items():
        value = cast(Mapping[str, object], event).get(key)
        if isinstance(value, str) and looks.fullmatch(value):
            shape[key] = value
    return shape


def _shape(value: object) -> object:
    if isinstance(value, dict):
        return {_key(k): _shape(v) for k, v in cast(Mapping[object, object], value).items()}
    if isinstance(value, list):
        return [_shape(each) for each in cast(list[object], value)]
    if isinstance(value, str):
        return f"(text of {len(value)})"
    return value


def _key(key: object) -> str:
    return key if isinstance(key, str) and _KEY.fullmatch(key) else "(other)"
