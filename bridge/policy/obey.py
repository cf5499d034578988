"""What each command does: a sentence, a change, or a sign that it may not be."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Final, assert_never

from bridge.domain.decision import (
    Acknowledge,
    Configure,
    Decision,
    Explain,
    ForgetPerson,
    Mute,
    Opt,
    Say,
)
from bridge.domain.events import Message
from bridge.domain.ids import PuppetId
from bridge.domain.persona import Puppet
from bridge.policy import reasons
from bridge.policy.commands import SUGGESTED, WORDS, Command
from bridge.policy.configure import (
    KEYS,
    BadSetting,
    configured,
    level_line,
    levelled,
    named,
    settings_line,
)
from bridge.policy.operating import operate
from bridge.policy.saying import reply
from bridge.policy.view import View

NOT_ALLOWED: Final = "🚫"
"""The reaction to a command that takes more power."""
DONE: Final = "✅"
HUSHED: Final = "🤫"
_ME: Final = frozenset(
    {"me", "please", "now", "on", "mich", "bitte", "jetzt", "por", "favor", "我", "请", "私を"}
)
"""What may stand beside a wish to be left alone."""
_EVERYBODY: Final = frozenset(
    {"all", "everybody", "everyone", "alle", "todos", "todas", "全部", "大家", "全員", "الكل"}
)
_OFF: Final = frozenset({"off", "no", "undo", "back", "aus", "nein", "no más", "关", "オフ"})


def obey(view: View, message: Message, command: Command) -> tuple[Decision, ...]:
    """Everything that should be done about a command."""
    match command.word:
        case "help" | "who" | "privacy" | "unknown":
            return (_tell(view, message, command),)
        case "forget":
            return (forget(view, message, command),)
        case "optout":
            return (_opt(view, message, command),)
        case "level" | "settings":
            return _configure(view, message, command)
        case "stop":
            return _stop(view, message, command)
        case "continue":
            return _continue(view, message, command)
        case "why" | "usage":
            return (_explain(view, message, command),)
        case "models" | "pull":
            return operate(view, message, command)
        case _:
            assert_never(command.word)


def _tell(view: View, message: Message, command: Command) -> Say:
    """What is a fixed sentence."""
    match command.word:
        case "who":
            return reply(view, message, command.puppet, "bridge_help", reasons.COMMAND_WHO)
        case "privacy":
            return reply(view, message, command.puppet, "privacy", reasons.COMMAND_PRIVACY)
        case "help":
            return _help(view, message, command)
        case _:
            return _unknown(view, message, command)


def _help(view: View, message: Message, command: Command) -> Say:
    """About everything, or about one command."""
    about = WORDS.get(command.arguments[0]) if command.arguments else None
    if about is not None and about not in ("help", "unknown"):
        sentence = f"help_of_{about}"
    else:
        sentence = "bridge_help" if command.puppet.role == "bridge" else "help"
    return reply(view, message, command.puppet, sentence, reasons.COMMAND_HELP)


def forget(view: View, message: Message, command: Command) -> ForgetPerson | Say:
    """Anybody may have their words erased. What is said beside it may mean something else."""
    if command.arguments and not set(command.arguments) <= _ME:
        return reply(view, message, command.puppet, "help_of_forget", reasons.COMMAND_HELP)
    return ForgetPerson(
        puppet_id=command.puppet.puppet_id,
        cause_id=message.event_id,
        person=message.sender,
        proof=reply(view, message, command.puppet, "forgotten", reasons.COMMAND_FORGET),
        reason=reasons.COMMAND_FORGET,
    )


def _opt(view: View, message: Message, command: Command) -> Opt | Say:
    is_out = not (command.arguments and command.arguments[0] in _OFF)
    if is_out and not set(command.arguments) <= _ME:
        return reply(view, message, command.puppet, "help_of_optout", reasons.COMMAND_HELP)
    sentence = "opted_out" if is_out else "opted_in"
    return Opt(
        puppet_id=command.puppet.puppet_id,
        cause_id=message.event_id,
        person=message.sender,
        out=is_out,
        proof=reply(view, message, command.puppet, sentence, reasons.COMMAND_OPTOUT),
        reason=reasons.COMMAND_OPTOUT,
    )


def _configure(view: View, message: Message, command: Command) -> tuple[Decision, ...]:
    is_level = command.word == "level"
    reason = reasons.COMMAND_LEVEL if is_level else reasons.COMMAND_SETTINGS
    is_asking = not is_level and len(command.arguments) == 1 and command.arguments[0] in KEYS
    if not command.arguments or is_asking:
        line = f"level {level_line(view)}" if is_level else settings_line(view)
        return (reply(view, message, command.puppet, "settings_are", reason, setting=line),)
    if not view.room.may_set_up(message.sender):
        return (_refuse(message, command.puppet),)
    key, *words = ("level", *command.arguments) if is_level else command.arguments
    try:
        # House rules are kept as they were typed; all else is read without regard to case.
        typed = message.text.split(maxsplit=3)[3:] if key == "rules" else []
        raw = typed[0] if typed else command.rest.partition(" ")[2]
        settings = levelled(view, words) if is_level else configured(view, key, words, raw)
    except BadSetting as bad:
        return (
            reply(
                view, message, command.puppet, "bad_setting", reason,
                word=bad.typed, setting=bad.key, choices=bad.choices,
            ),
        )  # fmt: skip
    after = replace(view, room=replace(view.room, settings=settings))
    return (
        Configure(cause_id=message.event_id, settings=settings, reason=reason),
        reply(
            view, message, command.puppet, "setting_changed", reason, setting=settings_line(after)
        ),
    )


def _stop(view: View, message: Message, command: Command) -> tuple[Decision, ...]:
    """Anybody may: every character here, or the one named, for an hour."""
    until = message.received_at + view.house.limits.mute_ms
    if unknown := _unknown_name(view, command):
        return (_no_such(view, message, command, unknown),)
    meant = chosen(view, command)
    mutes = (_mute(message, each, until, reasons.COMMAND_STOP) for each in meant)
    return (*mutes, _react(message, command.puppet, HUSHED, reasons.COMMAND_STOP))


def _continue(view: View, message: Message, command: Command) -> tuple[Decision, ...]:
    if not view.room.may_set_up(message.sender):
        return (_refuse(message, command.puppet),)
    if unknown := _unknown_name(view, command):
        return (_no_such(view, message, command, unknown),)
    meant = chosen(view, command)
    mutes = (_mute(message, each, 0, reasons.COMMAND_CONTINUE) for each in meant)
    return (*mutes, _react(message, command.puppet, DONE, reasons.COMMAND_CONTINUE))


def _unknown_name(view: View, command: Command) -> str:
    """The first argument that is nobody's name, "" where there is none."""
    others = (word for word in command.arguments if word not in _EVERYBODY)
    return next((word for word in others if named(view, word) is None), "")


def _no_such(view: View, message: Message, command: Command, word: str) -> Say:
    names = ", ".join(p.puppet_id for p in view.house.cast.personas())
    reason = reasons.COMMAND_STOP if command.word == "stop" else reasons.COMMAND_CONTINUE
    return reply(
        view, message, command.puppet, "bad_setting", reason,
        word=word, setting=command.typed, choices=names,
    )  # fmt: skip


def chosen(view: View, command: Command) -> tuple[PuppetId, ...]:
    """The characters that a stop or its end is for: those named, else all that are here."""
    by_name = [p for word in command.arguments if (p := named(view, word))]
    here = [p for p in view.house.cast.personas() if view.room.has_joined(p.user_id)]
    return tuple(p.puppet_id for p in by_name or here)


def _explain(view: View, message: Message, command: Command) -> Explain | Say:
    puppet = command.puppet
    if command.word == "usage":
        say = reply(view, message, puppet, "usage", reasons.COMMAND_USAGE)
        what = "usage"
    else:
        target = view.said.get(message.reply_to) if message.reply_to else None
        if message.reply_to is None:
            return reply(view, message, puppet, "why_how", reasons.COMMAND_WHY)
        sentence = "why_said" if target is not None and target.is_ours else "why_silent"
        say = reply(view, message, puppet, sentence, reasons.COMMAND_WHY)
        what = "why"
    return Explain(
        puppet_id=puppet.puppet_id,
        cause_id=message.event_id,
        person=message.sender,
        what=what,
        target=message.reply_to,
        say=say,
        reason=say.reason,
    )


def _unknown(view: View, message: Message, command: Command) -> Say:
    near = difflib.get_close_matches(command.typed, SUGGESTED, n=1, cutoff=0.5)
    return reply(
        view, message, command.puppet, "unknown_command", reasons.COMMAND_UNKNOWN,
        word=command.typed, suggestion=near[0] if near else "",
    )  # fmt: skip


def _mute(message: Message, puppet_id: PuppetId, until: int, reason: str) -> Mute:
    return Mute(puppet_id=puppet_id, cause_id=message.event_id, until=until, reason=reason)


def _refuse(message: Message, puppet: Puppet) -> Acknowledge:
    return _react(message, puppet, NOT_ALLOWED, reasons.NO_POWER)


def _react(message: Message, puppet: Puppet, key: str, reason: str) -> Acknowledge:
    return Acknowledge(
        puppet_id=puppet.puppet_id, cause_id=message.event_id, key=key, reason=reason
    )
