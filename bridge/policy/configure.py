"""`!ai level` and `!ai settings`: what a room's own people may set, and how it reads in a line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bridge.domain.ids import PuppetId
from bridge.domain.persona import Puppet, Talkativeness
from bridge.domain.room_settings import LEVELS, RoomSettings
from bridge.policy.daytime import zone_named, zone_of
from bridge.policy.levels import level_of
from bridge.policy.names import fold
from bridge.policy.view import View
from bridge.policy.wording import LANGUAGES

KEYS: Final = (
    "level", "share", "quiet", "timezone", "puppets", "language", "rules", "minors", "preset",
)  # fmt: skip
_ALL: Final = frozenset({"all", "everybody", "everyone", "*"})
_OFF: Final = frozenset({"off", "none", "mute", "quiet"})
_DEFAULT: Final = frozenset({"default", "auto", "off", "none", "-"})
_HOURS: Final = re.compile(r"^(\d{1,2})(?::(\d{2}))?\s*[-–—]\s*(\d{1,2})(?::(\d{2}))?$")
_MAX_RULES_CHARS: Final = 500

_PRESETS: Final[Mapping[str, tuple[Talkativeness, float]]] = {
    "social": ("reply-only", 0.3),
    "ai-space": ("sociable", 0.7),
}


class BadSetting(ValueError):
    """What was typed fits nothing. `key` is what it was for, `choices` what would fit."""

    def __init__(self, key: str, typed: str, choices: str) -> None:
        super().__init__(f"{key}: {typed}")
        self.key, self.typed, self.choices = key, typed, choices


def configured(view: View, key: str, words: Sequence[str], raw: str) -> RoomSettings:
    """The room's settings with one changed. `words` are folded, `raw` is the value as typed.

    Raises BadSetting.
    """
    change = _CHANGES.get(key)
    if change is None:
        raise BadSetting("settings", key, ", ".join(KEYS))
    return change(view, view.room.settings, words, raw.strip())


def levelled(view: View, words: Sequence[str]) -> RoomSettings:
    """`level balanced`, or `level luna chatty`. Raises BadSetting."""
    return _level(view, view.room.settings, words, "")


def settings_line(view: View) -> str:
    """All settings of the room in one line, in the words in which they are set."""
    settings = view.room.settings
    share = view.house.ai_share if settings.ai_share is None else settings.ai_share
    chosen = " ".join(settings.puppets) or "all"
    minors = "on" if view.room.is_for_minors() else "off"
    return " · ".join(
        (
            f"level {level_line(view)}",
            f"share {round(share * 100)}",
            f"quiet {_hours(settings.quiet)}",
            f"timezone {zone_of(view)}",
            f"puppets {chosen}",
            f"language {settings.language or 'auto'}",
            f"minors {minors}" + (" (auto)" if settings.minors is None else ""),
            f"rules {_short(settings.house_rules)}",
        )
    )


def level_line(view: View) -> str:
    """The levels that hold here: one, or that of each puppet."""
    here = [p for p in view.house.cast.personas() if view.room.has_joined(p.user_id)]
    levels = {p.puppet_id: level_of(view, p) for p in here}
    if len(set(levels.values())) == 1:
        return next(iter(levels.values()))
    return ", ".join(f"{puppet_id} {level}" for puppet_id, level in sorted(levels.items())) or "-"


def one_lower(view: View, puppet: Puppet) -> RoomSettings:
    """The room's settings with this puppet one step quieter, but still answering."""
    place = LEVELS.index(level_of(view, puppet))
    lower = LEVELS[max(LEVELS.index("reply-only"), place - 1)] if place > 1 else LEVELS[place]
    settings = view.room.settings
    return replace(settings, levels={**settings.levels, puppet.puppet_id: lower})


def _level(view: View, settings: RoomSettings, words: Sequence[str], _: str) -> RoomSettings:
    if len(words) == 2:
        puppet = named(view, words[0])
        if puppet is None:
            raise BadSetting("level", words[0], _names(view))
        if words[1] in _DEFAULT - _OFF:
            levels = {k: v for k, v in settings.levels.items() if k != puppet.puppet_id}
            return replace(settings, levels=levels)
        level = _as_level(words[1])
        return replace(settings, levels={**settings.levels, puppet.puppet_id: level})
    typed = words[0] if words else ""
    if typed in _DEFAULT - _OFF:
        return replace(settings, level=None, levels={})
    return replace(settings, level=_as_level(typed), levels={})


def _as_level(word: str) -> Talkativeness:
    typed = "silent" if word in _OFF else word.replace("_", "-")
    if typed not in LEVELS:
        raise BadSetting("level", word, ", ".join(LEVELS))
    return typed


def _share(_: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    typed = raw.rstrip("% ")
    if typed in _DEFAULT:
        return replace(settings, ai_share=None)
    if not typed.isdecimal() or int(typed) > 100:
        raise BadSetting("share", raw, "0-100")
    return replace(settings, ai_share=int(typed) / 100)


def _quiet(_: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    if raw in _DEFAULT:
        return replace(settings, quiet=None)
    match = _HOURS.match(raw)
    times = [int(part or 0) for part in match.groups()] if match else []
    is_time = bool(times) and times[1] < 60 and times[3] < 60
    if not is_time or max(times[0] * 60 + times[1], times[2] * 60 + times[3]) > 1440:
        raise BadSetting("quiet", raw, "22:00-07:00, off")
    start, end = times[0] * 60 + times[1], times[2] * 60 + times[3]
    return replace(settings, quiet=(start % 1440, end % 1440))


def _timezone(view: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    if raw in _DEFAULT:
        return replace(settings, timezone="")
    zone = zone_named(view.house, raw)
    if zone is None:
        raise BadSetting("timezone", raw, "Europe/Berlin, America/New_York, UTC, …, default")
    return replace(settings, timezone=zone)


def _puppets(view: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    if not words:
        raise BadSetting("puppets", "", f"all, {_names(view)}")
    if words[0] in _ALL | _DEFAULT:
        return replace(settings, puppets=())
    chosen: list[PuppetId] = []
    for word in words:
        puppet = named(view, word)
        if puppet is None:
            raise BadSetting("puppets", word, f"all, {_names(view)}")
        chosen.append(puppet.puppet_id)
    return replace(settings, puppets=tuple(dict.fromkeys(chosen)))


def _language(_: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    typed = words[0] if words else ""
    if typed in _DEFAULT:
        return replace(settings, language="")
    if typed not in LANGUAGES:
        raise BadSetting("language", raw, f"auto, {', '.join(LANGUAGES)}")
    return replace(settings, language=typed)


def _rules(_: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    if not raw:
        raise BadSetting("rules", "", "…, off")
    return replace(settings, house_rules="" if raw in _DEFAULT else raw[:_MAX_RULES_CHARS])


def _minors(_: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    match raw:
        case "on" | "yes":
            return replace(settings, minors=True)
        case "off" | "no":
            return replace(settings, minors=False)
        case "auto" | "default":
            return replace(settings, minors=None)
        case _:
            raise BadSetting("minors", raw, "on, off, auto")


def _preset(_: View, settings: RoomSettings, words: Sequence[str], raw: str) -> RoomSettings:
    preset = _PRESETS.get(raw)
    if preset is None:
        raise BadSetting("preset", raw, ", ".join(_PRESETS))
    level, share = preset
    return replace(settings, level=level, levels={}, ai_share=share)


_CHANGES: Final[Mapping[str, Callable[[View, RoomSettings, Sequence[str], str], RoomSettings]]] = {
    "level": _level,
    "share": _share,
    "quiet": _quiet,
    "timezone": _timezone,
    "puppets": _puppets,
    "language": _language,
    "rules": _rules,
    "minors": _minors,
    "preset": _preset,
}


def named(view: View, word: str) -> Puppet | None:
    """The character that is called so."""
    typed = fold(word).removeprefix("@")
    return next(
        (
            puppet
            for puppet in view.house.cast.personas()
            if typed == puppet.puppet_id
            or typed in map(fold, puppet.names())
            or typed == fold(puppet.user_id.removeprefix("@"))
        ),
        None,
    )


def _names(view: View) -> str:
    return ", ".join(puppet.puppet_id for puppet in view.house.cast.personas())


def _hours(quiet: tuple[int, int] | None) -> str:
    if quiet is None:
        return "off"
    start, end = quiet
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return f"“{plain[:59]}…”" if len(plain) > 60 else f"“{plain}”" if plain else "none"
