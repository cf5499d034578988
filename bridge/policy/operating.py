"""What an operator's admin may do in a DM: see which models are there, and have one pulled.

Only models that the configuration names are pulled, whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bridge.domain.decision import Decision, FetchModel, Say, Silence, TakeStock
from bridge.domain.events import Message, News
from bridge.domain.ids import UserId, server_of
from bridge.domain.model import PullProgress, Stock, Wanted, is_model_name, is_same_model
from bridge.domain.room import Room
from bridge.policy import reasons, wording
from bridge.policy.access import matches
from bridge.policy.commands import Command
from bridge.policy.names import fold
from bridge.policy.saying import language_of, reply
from bridge.policy.view import House, View

_PULL_WORDS: Final = 2
"""A model, and perhaps a server."""
_TWO: Final = 2
_AROUND: Final = "`<>\"'“”,;"
_MAX_CHARS: Final = 2000
_SIGNS: Final = {"there": "✅", "missing": "❌", "unknown": "⚠️"}
_LOADED: Final = "🔥"
_MOST_LISTED: Final = 40


def is_admin(house: House, user_id: UserId, room: Room) -> bool:
    """Is it one of the operator's admins? From another server only one whose whole id is listed."""
    if user_id in house.admins:
        return True
    is_local = server_of(user_id) == house.access.own_server
    return is_local and matches(house.admins, user_id, room.room_id)


def is_admins_dm(house: House, room: Room) -> bool:
    """Is it a DM with one of the operator's admins, and nobody else in it?"""
    person = room.direct.person if room.direct else None
    if person is None or not is_admin(house, person, room):
        return False
    return room.has_joined(person) and len(room.joined()) <= _TWO


def operate(view: View, message: Message, command: Command) -> tuple[Decision, ...]:
    """`pull` and `models`. Everybody else is told whose they are."""
    puppet, is_pull = command.puppet, command.word == "pull"
    direct = view.room.direct
    if direct is None or direct.person != message.sender or not is_admins_dm(view.house, view.room):
        return (reply(view, message, puppet, "for_admins", reasons.NO_POWER, word=command.typed),)
    if not is_pull:
        say = reply(view, message, puppet, "models_are", reasons.COMMAND_MODELS, list="")
        return (
            TakeStock(
                puppet_id=puppet.puppet_id, cause_id=message.event_id, say=say, reason=say.reason
            ),
        )
    model, *server = _as_typed(message, command) or ("",)
    if not model or len(server) >= _PULL_WORDS:
        return (reply(view, message, puppet, "help_of_pull", reasons.COMMAND_HELP),)
    if not is_model_name(model):
        return (reply(view, message, puppet, "pull_bad_name", reasons.COMMAND_PULL, word=model),)
    return (
        FetchModel(
            puppet_id=puppet.puppet_id,
            cause_id=message.event_id,
            model=model,
            server=server[0] if server else "",
            say=reply(view, message, puppet, "pull_there", reasons.COMMAND_PULL, server=""),
            reason=reasons.COMMAND_PULL,
        ),
    )


def _as_typed(message: Message, command: Command) -> tuple[str, ...]:
    """The words behind the command, folded: also links and code, which are nobody's own words
    elsewhere, but are what is meant here."""
    words = [word.strip(_AROUND) for word in fold(message.text[:_MAX_CHARS]).split()]
    if command.typed not in words:
        return command.arguments
    return tuple(word for word in words[words.index(command.typed) + 1 :] if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Nothing can be pulled: a sentence that says why."""

    sentence: str
    values: tuple[tuple[str, str], ...]


def meant(wanted: Sequence[Wanted], model: str, server: str) -> tuple[Wanted, ...] | Unfit:
    """The models that a command is about: on the server that it names, else on each that should
    have it. `model` and `server` are folded."""
    named = [each for each in wanted if each.model]
    of_name = [each for each in named if is_same_model(each.model, model)]
    if not of_name:
        known = ", ".join(dict.fromkeys(each.model for each in named if each.can_be_pulled))
        return Unfit(sentence="pull_unknown", values=(("word", model), ("choices", known)))
    here = [each for each in of_name if not server or _is_called(each.server, server)]
    if not here:
        known = ", ".join(each.server for each in of_name)
        values = (("word", server), ("setting", "pull"), ("choices", known))
        return Unfit(sentence="bad_setting", values=values)
    able = tuple(each for each in here if each.can_be_pulled)
    if not able:
        values = (("model", here[0].model), ("server", here[0].server))
        return Unfit(sentence="pull_elsewhere", values=values)
    return able


def _is_called(server: str, called: str) -> bool:
    """A server's whole address, or its host, with or without the port."""
    address = fold(server)
    host = address.partition("://")[2].partition("/")[0]
    return called.rstrip("/") in {address, host, host.rpartition(":")[0]}


def filled(say: Say, sentence: str, values: Sequence[tuple[str, str]], ordinal: str = "n") -> Say:
    """The sentence that turned out to be the right one, in the place of `say`."""
    return replace(say, sentence=sentence, values=tuple(values), ordinal=ordinal)


def stock_told(say: Say, stock: Sequence[Stock]) -> Say:
    """Which models there are, a line each, at most `_MOST_LISTED`."""
    lines = [_line(each) for each in stock[:_MOST_LISTED]]
    if len(stock) > _MOST_LISTED:
        lines.append(f"- … +{len(stock) - _MOST_LISTED}")
    return filled(say, "models_are", (("list", "\n".join(lines) or "-"),))


def _line(stock: Stock) -> str:
    signs = _SIGNS[stock.state] + (_LOADED if stock.is_loaded else "")
    purposes = ", ".join(stock.wanted.purposes)
    facts = [purposes, size_of(stock.size_bytes), wording.code(stock.wanted.server)]
    name = wording.code(stock.model or "?")
    return f"- {signs} {name}: " + " · ".join(fact for fact in facts if fact)


def size_of(size_bytes: int) -> str:
    """In GB or MB, "" where it is not known."""
    if size_bytes <= 0:
        return ""
    giga = size_bytes / 1e9
    return f"{giga:.1f} GB" if giga >= 0.1 else f"{size_bytes / 1e6:.1f} MB"


def duration_of(ms: int) -> str:
    """`42 s`, `12 min`, `3 h 5 min`."""
    seconds = max(0, round(ms / 1000))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def progress_of(model: str, progress: PullProgress) -> tuple[tuple[str, str], ...]:
    """The values of `pull_at`."""
    return (
        ("model", model),
        ("percent", str(progress.percent)),
        ("size", size_of(progress.total_bytes)),
    )


def on_news(view: View, news: News) -> tuple[Decision, ...]:
    """Told where it is meant for: a room that is no admin's DM (any more) hears nothing."""
    puppet = view.house.cast.by_id(news.puppet_id)
    is_here = puppet is not None and view.room.has_joined(puppet.user_id)
    if not is_here or not is_admins_dm(view.house, view.room):
        return (Silence(cause_id=news.event_id, reason=reasons.NOBODY_HERE),)
    return (
        Say(
            puppet_id=news.puppet_id,
            cause_id=news.event_id,
            sentence=news.sentence,
            reason=reasons.NEWS,
            values=news.values,
            language=language_of(view),
            reply_to=news.reply_to,
        ),
    )
