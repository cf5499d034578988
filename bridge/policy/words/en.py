"""English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "disclosure": (
        "Hi, I'm {name}, an AI character run by {operator}. I read what is written here and answer"
        " when spoken to; messages are kept for up to {days} so that I can follow."
        " “{name}, stop” or a 🛑 on one of my messages makes me quiet, and `{prefix} help` says"
        " more."
    ),
    "disclosure_more": (
        "I'm {name}, another AI character of the same operator. The same goes for me."
    ),
    "dm_ended": (
        "We are no longer alone here, so from now on I only answer when I'm addressed:"
        " begin with “{name}”, mention me, or reply to me."
    ),
    "help": (
        "I'm {name}, an AI. Begin a message with my name, mention me, or reply to me, and I answer."
        " “{name}, stop” or a 🛑 on one of my messages makes me quiet for an hour."
        " `{prefix} privacy` says what is read and kept, `{prefix} forget` erases what is stored of"
        " you. To be rid of me, remove me from the room."
        " Other commands: who, level, settings, stop, continue, why, optout, usage; "
        "`{prefix} help level` explains one."
    ),
    "privacy": (
        "The AI characters here are run by {operator}. They read the messages of the rooms they are"
        " in. Messages are kept on the operator's server for up to {days}, and recent ones go to"
        " the operator's AI model when it has to answer. No model is trained on them by this"
        " program. If you delete a message, it is deleted there too. `{prefix} forget` erases what"
        " you wrote and the answers to it; who is a member stays known.[[ Questions: {contact}]]"
    ),
    "forgotten": (
        "Erased from what is stored: {messages} of your messages and {replies} of the answers to"
        " them (rooms: {rooms}). What stands in the room itself is yours to delete. Who is a member"
        " of a room stays known while an AI character is in it."
    ),
    "bridge_greeting": (
        "Hello! I look after the AI characters of {operator}, and I'm a program myself. These are"
        " here:\n\n{list}\n\nInvite one to a room, or write to it directly. Write `help` for help;"
        " in a room it is `{prefix} help`."
    ),
    "bridge_help": (
        "Invite an AI character to a room, or write to it directly. In a room it answers when a"
        " message begins with its name, mentions it, or replies to it.\n\n{list}"
    ),
    "unknown_command": (
        "I don't know the command `{word}`.[[ Did you mean `{prefix} {suggestion}`?]]"
        " `{prefix} help` shows what I can do."
    ),
    "invite_denied": "Sorry, I can't accept: {operator} hasn't opened me to this invitation.",
    "invite_too_many": "Sorry, that was a lot of invitations for one day. Please try tomorrow.",
    "rooms_full": "Sorry, I'm in as many rooms as I can be in at the moment.",
    "too_many_members": "Sorry, I don't join rooms with more than {limit} members.",
    "no_spaces": "Sorry, I only join rooms, not spaces. Please invite me to a room.",
    "encrypted_invite": (
        "Sorry, I can't join encrypted rooms yet. Please invite me to a room without encryption."
    ),
    "encrypted_room": ("I'm leaving because I can only take part in rooms that are not encrypted."),
    "retired": "I'm leaving because my operator has taken me out of service. Goodbye!",
    "engine_down": "I can't reach my AI model right now. Please try again in a few minutes.",
    "model_missing": (
        "I can't answer: the AI model I'm set to use isn't there. My operator has to fix that."
    ),
    "context_too_long": "That was too long for me. Could you make it shorter?",
    "engine_timeout": "That took me too long, so I stopped. Please ask me again.",
    "engine_busy": (
        "Many people are asking me at the moment, and I didn't get to you. Please try "
        "again in a few minutes."
    ),
    "engine_broken": "Something broke off while I was answering. Please ask me again.",
    "empty_reply": "I couldn't find words for that. Could you put it another way?",
    "demo_topic": "Answers here come from: {label}",
    "settings_are": "Here: `{setting}`",
    "setting_changed": "Done. Now: `{setting}`",
    "bad_setting": "`{word}` does not fit `{setting}`. What fits: {choices}",
    "opted_out": (
        "From now on no AI model is shown your words, and nobody here speaks to you "
        "unasked. If you ask something, only that message is read. Erased: {messages} of "
        "your messages and {replies} answers (rooms: {rooms}). `{prefix} optout off` "
        "undoes it."
    ),
    "opted_in": "From now on your words may be read again.",
    "usage": (
        "In the last 24 hours you got {own} replies[[ of at most {most}]], and this room "
        "{turns}: {prompt} tokens read, {reply} written."
    ),
    "why_how": (
        "Reply to a message with `{prefix} why`, and I say why it was written, or why "
        "nobody answered it."
    ),
    "why_said": (
        "{why} (`{code}`). Character: {name}.[[ Model: {model}.]][[ Messages it was shown: "
        "{count}.]][[\n\nTools it used:\n\n{tools}]]"
    ),
    "why_silent": "Nobody answered. {why} (`{code}`).",
    "why_unknown": "I don't know that message any more.",
    "help_of_who": "`{prefix} who` lists the AI characters of this server.",
    "help_of_level": (
        "`{prefix} level` says how talkative we are here. `{prefix} level balanced` "
        "changes it, `{prefix} level luna silent` for one of us. Levels: silent, "
        "reply-only, reserved, balanced, sociable, chatty. It takes the power to change "
        "the room's state."
    ),
    "help_of_settings": (
        "`{prefix} settings` shows everything. `{prefix} settings share 30`, `quiet "
        "22:00-07:00`, `timezone Europe/Berlin`, `puppets luna`, `language en`, `rules …`, "
        "`minors on`, `preset social` change it. It takes the power to change the room's "
        "state."
    ),
    "help_of_stop": (
        "`{prefix} stop` makes all of us quiet here for an hour, `{prefix} stop luna` one "
        "of us. Anyone may."
    ),
    "help_of_continue": (
        "`{prefix} continue` ends a stop. It takes the power to change the room's state."
    ),
    "help_of_why": (
        "Reply to a message with `{prefix} why`: I say why it was written, or why nobody "
        "answered it."
    ),
    "help_of_privacy": "`{prefix} privacy` says what is read and kept, and by whom.",
    "help_of_forget": (
        "`{prefix} forget` erases what is stored of you in all rooms, and the answers to you."
    ),
    "help_of_optout": (
        "`{prefix} optout` leaves your words out of everything from now on, and erases "
        "them; `{prefix} optout off` undoes it."
    ),
    "help_of_usage": "`{prefix} usage` says how much we have written in this room today.",
    "help_of_models": (
        "`{prefix} models` shows the AI models that are configured, and which of them are "
        "there. For the operator's admins, in a direct chat."
    ),
    "help_of_pull": (
        "`{prefix} pull gemma3:4b` fetches a configured AI model to its Ollama server; a "
        "server's address behind it says which. For the operator's admins, in a direct chat."
    ),
    "for_admins": "`{word}` is for the operator's admins only, in a direct chat with one of us.",
    "models_are": "✅ there · 🔥 loaded · ❌ missing · ⚠️ its server gives no answer\n\n{list}",
    "pull_bad_name": "`{word}` can't be the name of a model. Such names look like `gemma3:4b`.",
    "pull_unknown": (
        "I only fetch models that my configuration names, and `{word}` isn't among them.[[ "
        "It names: {choices}.]] Whoever runs me can name it there, as engine.model for "
        "example."
    ),
    "pull_elsewhere": (
        "`{server}` is no Ollama server, so I can't fetch `{model}` there. Load it on that "
        "server itself."
    ),
    "pull_running": "`{model}` is already being fetched on `{server}`[[ ({percent} %)]].",
    "pull_there": "`{model}` is on `{server}` already.",
    "pull_began": (
        "Fetching `{model}` on `{server}`[[ ({size})]]. I'll say here when it is there."
    ),
    "pull_at": "`{model}`: {percent} %[[ of {size}]] fetched.",
    "pull_done": "`{model}` is on `{server}` now. It took {time}.",
    "pull_no_model": (
        "There is no model `{model}` to fetch: the library that `{server}` uses doesn't know "
        "it. Correct its name in the configuration."
    ),
    "pull_disk_full": (
        "`{model}` doesn't fit: the disk of `{server}` is full. Make room there; `{prefix} "
        "pull {model}` then goes on where it stopped."
    ),
    "pull_no_library": (
        "`{server}` can't reach the library of models, so `{model}` couldn't be fetched. See "
        "to that machine's network; `{prefix} pull {model}` then goes on where it stopped."
    ),
    "pull_unreachable": (
        "`{server}` doesn't answer, so `{model}` couldn't be fetched. Start Ollama there, or "
        "correct its address and key in the configuration; then `{prefix} pull {model}`."
    ),
    "pull_failed": (
        "`{model}` couldn't be fetched on `{server}`: `{problem}`. `{prefix} pull {model}` "
        "goes on where it stopped."
    ),
    "missing_told": (
        "For you as the operator: somebody could not be answered, because the AI model "
        "`{model}` is missing on `{server}`.[[ `{prefix} pull {pull}` fetches it.]]"
    ),
    "no_model_told": (
        "For you as the operator: somebody could not be answered, because `{server}` has no "
        "AI model that can chat. Name one in the configuration (engine.model); then "
        "`{prefix} pull` with its name fetches it."
    ),
    "nobody_left": "I'm leaving because nobody is here any more.",
    "server_denied": "I'm leaving because this room doesn't let my server take part.",
    "care": (
        "I'm glad you wrote that here. I'm an AI and can't help the way a person can, but "
        "you don't have to be alone with it: please talk to somebody you trust, or to a "
        "helpline or doctor near you, now if you can.[[ {words}]]"
    ),
}
