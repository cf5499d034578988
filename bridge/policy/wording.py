"""Everything we say to people, in their language. The sentences are in `bridge.policy.words`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.policy.invisible import strip_invisible
from bridge.policy.words import ar, de, en, es, ja, zh

FALLBACK: Final = "en"

LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": en.WORDS,
    "zh": zh.WORDS,
    "ja": ja.WORDS,
    "de": de.WORDS,
    "es": es.WORDS,
    "ar": ar.WORDS,
}

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "disclosure": ("name", "operator", "days", "prefix"),
    "disclosure_more": ("name",),
    "dm_ended": ("name",),
    "help": ("name", "prefix"),
    "privacy": ("operator", "days", "contact", "prefix"),
    "forgotten": ("messages", "replies", "rooms"),
    "bridge_greeting": ("operator", "list", "prefix"),
    "bridge_help": ("list",),
    "unknown_command": ("word", "suggestion", "prefix"),
    "settings_are": ("setting",),
    "setting_changed": ("setting",),
    "bad_setting": ("word", "setting", "choices"),
    "opted_out": ("messages", "replies", "rooms", "prefix"),
    "opted_in": (),
    "usage": ("own", "most", "turns", "prompt", "reply"),
    "why_how": ("prefix",),
    "why_said": ("why", "code", "name", "model", "count", "tools"),
    "why_silent": ("why", "code"),
    "why_unknown": (),
    "help_of_who": ("prefix",),
    "help_of_level": ("prefix",),
    "help_of_settings": ("prefix",),
    "help_of_stop": ("prefix",),
    "help_of_continue": ("prefix",),
    "help_of_why": ("prefix",),
    "help_of_privacy": ("prefix",),
    "help_of_forget": ("prefix",),
    "help_of_optout": ("prefix",),
    "help_of_usage": ("prefix",),
    "help_of_models": ("prefix",),
    "help_of_pull": ("prefix",),
    "for_admins": ("word",),
    "models_are": ("list",),
    "pull_bad_name": ("word",),
    "pull_unknown": ("word", "choices"),
    "pull_elsewhere": ("model", "server"),
    "pull_running": ("model", "server", "percent"),
    "pull_there": ("model", "server"),
    "pull_began": ("model", "server", "size"),
    "pull_at": ("model", "percent", "size"),
    "pull_done": ("model", "server", "time"),
    "pull_no_model": ("model", "server"),
    "pull_disk_full": ("model", "server", "prefix"),
    "pull_no_library": ("model", "server", "prefix"),
    "pull_unreachable": ("model", "server", "prefix"),
    "pull_failed": ("model", "server", "problem", "prefix"),
    "missing_told": ("model", "server", "prefix", "pull"),
    "no_model_told": ("server", "prefix"),
    "nobody_left": (),
    "server_denied": (),
    "care": ("words",),
    "invite_denied": ("operator",),
    "invite_too_many": (),
    "rooms_full": (),
    "too_many_members": ("limit",),
    "no_spaces": (),
    "encrypted_invite": (),
    "encrypted_room": (),
    "retired": (),
    "engine_down": (),
    "model_missing": (),
    "context_too_long": (),
    "engine_timeout": (),
    "engine_busy": (),
    "engine_broken": (),
    "empty_reply": (),
    "demo_topic": ("label",),
}
"""Every sentence with its placeholders. `{days}` takes a number and becomes "7 days"; `{list}`
and `{tools}` are Markdown of ours. A part in `[[ ]]` is left out when a value in it is empty."""

COUNTS: Final = ("messages", "replies", "rooms")
"""Values that are known only when what they count has been done."""

LATER: Final = (
    *COUNTS,
    *("own", "most", "turns", "prompt", "reply", "why", "code", "model", "count", "tools"),
)
"""All values that are not known yet when it is decided what to say."""

PLAIN: Final = frozenset(
    {
        "invite_denied",
        "invite_too_many",
        "rooms_full",
        "too_many_members",
        "no_spaces",
        "encrypted_invite",
        "encrypted_room",
        "nobody_left",
        "server_denied",
        "retired",
        "demo_topic",
    }
)
"""Sentences shown where Markdown is not read: reasons of a leave, room topics."""

STOP_WORDS: Final[Mapping[str, str]] = {
    "en": "stop",
    "zh": "停",
    "ja": "ストップ",
    "de": "stopp",
    "es": "para",
    "ar": "توقف",
}
"""The word after a puppet's name that our own sentences tell people to use."""

_MAX_VALUE_CHARS: Final = 200
_MARKDOWN: Final = frozenset({"list", "tools"})
_OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_SPECIAL = re.compile(r"[\\`*\[\]<>~|&]|(?<![^\W_])_|_(?![^\W_])|^[#+=-]")
_ESCAPED_ORDINAL = re.compile(r"^(\d+)\\([.)])")
_ORDINAL = re.compile(r"^(\d+)([.)])")


def sentence(key: str, language: str, **values: str) -> str:
    """The sentence as Markdown (plain text for `PLAIN`), in English where we lack the language.

    Raises KeyError for an unknown key or a missing value.
    """
    template = LANGUAGES.get(_primary(language), LANGUAGES[FALLBACK])[key]
    missing = set(KEYS[key]) - set(values)
    if missing:
        raise KeyError(f"sentence {key!r} lacks {', '.join(sorted(missing))}")
    spoken = dict(values)
    if "days" in spoken:
        spoken["days"] = _days(spoken["days"], language)

    def optional(match: re.Match[str]) -> str:
        part = match.group(1)
        return part if all(spoken[name].strip() for name in _PLACEHOLDER.findall(part)) else ""

    template = _OPTIONAL.sub(optional, template)

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in _MARKDOWN:
            return spoken[name]
        is_code = template.count("`", 0, match.start()) % 2 == 1
        begins_line = match.start() == 0 or template[match.start() - 1] == "\n"
        value = _insert(spoken[name], is_plain=key in PLAIN, is_code=is_code)
        # Only where a line begins would a number with a point be taken for an item of a list.
        return value if begins_line or is_code else _ESCAPED_ORDINAL.sub(r"\1\2", value)

    return _PLACEHOLDER.sub(fill, template)


def escape(text: str) -> str:
    """The text on one line, so that Markdown shows it as it is."""
    line = _SPECIAL.sub(lambda special: "\\" + special.group(), _line(text))
    return _ORDINAL.sub(r"\1\\\2", line)


def code(text: str) -> str:
    """The text on one line, as code."""
    return f"`{_insert(text, is_plain=False, is_code=True)}`"


def _insert(value: str, *, is_plain: bool, is_code: bool) -> str:
    if is_plain:
        return _line(value)
    if is_code:
        return _line(value).replace("`", "'") or "?"
    return escape(value)


def _line(text: str) -> str:
    line = " ".join(strip_invisible(text).split())
    return line if len(line) <= _MAX_VALUE_CHARS else line[: _MAX_VALUE_CHARS - 1] + "…"


def _primary(language: str) -> str:
    """`zh` of `zh-CN` and `zh_CN`."""
    return re.split(r"[-_]", language.lower(), maxsplit=1)[0]


def _days(value: str, language: str) -> str:
    if not (value.isascii() and value.isdigit()):
        return value
    count = int(value)
    match _primary(language):
        case "zh":
            return f"{count} 天"
        case "ja":
            return f"{count}日間"
        case "de":
            return "einen Tag" if count == 1 else f"{count} Tage"
        case "es":
            return "1 día" if count == 1 else f"{count} días"
        case "ar":
            return _arabic_days(count)
        case _:
            return "1 day" if count == 1 else f"{count} days"


def _arabic_days(count: int) -> str:
    if count == 1:
        return "يوم واحد"
    if count == 2:
        return "يومين"
    if 3 <= count % 100 <= 10:
        return f"{count} أيام"
    if count % 100 >= 11:
        return f"{count} يومًا"
    return f"{count} يوم"
