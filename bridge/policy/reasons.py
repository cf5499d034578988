"""Why something was decided: every reason code, once. Logs, metrics and `replay` show them."""

from __future__ import annotations

from typing import Final

# Why a puppet answers, from the plainest sign to the weakest.
MENTIONED: Final = "mentioned"
NAMED: Final = "named"
REPLIED_TO: Final = "replied_to"
DIRECT: Final = "direct"
FOLLOW_UP: Final = "follow_up"

# Why a puppet speaks, or thinks about it, though nobody asked it.
EXCHANGE: Final = "exchange"
OPEN_QUESTION: Final = "open_question"
JOINS_IN: Final = "joins_in"
UNASKED: Final = frozenset({OPEN_QUESTION, JOINS_IN})

# Why nobody answers.
OWN_MESSAGE: Final = "own_message"
FOREIGN_NOTICE: Final = "foreign_notice"
FOREIGN_AI: Final = "foreign_ai"
FOREIGN_COMMAND: Final = "foreign_command"
NOBODY_HERE: Final = "nobody_here"
LATE: Final = "late"
EMPTY: Final = "empty"
NOT_ADDRESSED: Final = "not_addressed"
TALKED_ABOUT: Final = "talked_about"
FILLER: Final = "filler"
BURST: Final = "burst"
AI_RUN: Final = "ai_run"
SILENT_LEVEL: Final = "silent_level"
INACTIVE: Final = "inactive"
MODEL_SAYS_NOBODY: Final = "model_says_nobody"
SOMEBODY_SPOKE: Final = "somebody_spoke"
REPEATS_ITSELF: Final = "repeats_itself"
PAIR_BUDGET: Final = "pair_budget"
BOUNCED: Final = "bounced"
SOMEBODY_ELSE_ADDRESSED: Final = "somebody_else_addressed"
NOT_ALLOWED_TO_ASK: Final = "not_allowed_to_ask"
MUTED: Final = "muted"

# Commands, and what the bridge user is told.
COMMAND_HELP: Final = "command_help"
COMMAND_WHO: Final = "command_who"
COMMAND_LEVEL: Final = "command_level"
COMMAND_SETTINGS: Final = "command_settings"
COMMAND_STOP: Final = "command_stop"
COMMAND_CONTINUE: Final = "command_continue"
COMMAND_WHY: Final = "command_why"
COMMAND_USAGE: Final = "command_usage"
COMMAND_OPTOUT: Final = "command_optout"
NO_POWER: Final = "no_power"
COMMAND_PRIVACY: Final = "command_privacy"
COMMAND_FORGET: Final = "command_forget"
COMMAND_UNKNOWN: Final = "command_unknown"
COMMAND_PULL: Final = "command_pull"
COMMAND_MODELS: Final = "command_models"
NEWS: Final = "news"
BRIDGE_SPOKEN_TO: Final = "bridge_spoken_to"

# Caring.
CARE: Final = "care"

# Waiting.
QUEUED: Final = "queued"
BUDGET_PERSON: Final = "budget_person"
BUDGET_ROOM: Final = "budget_room"
BUDGET_SERVER: Final = "budget_server"

# Stopping.
STOP_WORD: Final = "stop_word"
STOP_REACTION: Final = "stop_reaction"
REACTION: Final = "reaction"
THUMBS_DOWN: Final = "thumbs_down"

# What changes the past.
EDIT: Final = "edit"
EDIT_OF_UNKNOWN: Final = "edit_of_unknown"
EDIT_BY_ANOTHER: Final = "edit_by_another"
EDIT_SUPERSEDED: Final = "edit_superseded"
REDACTED: Final = "redacted"
FORGOTTEN: Final = "forgotten"

# Coming and going.
INVITED: Final = "invited"
INVITE_DENIED: Final = "invite_denied"
INVITE_TOO_MANY: Final = "invite_too_many"
ROOMS_FULL: Final = "rooms_full"
TOO_MANY_MEMBERS: Final = "too_many_members"
SPACE: Final = "space"
ENCRYPTED: Final = "encrypted"
ENCRYPTION_UNKNOWN: Final = "encryption_unknown"
ARRIVED: Final = "arrived"
ALREADY_DISCLOSED: Final = "already_disclosed"
UPGRADED: Final = "upgraded"
NOBODY_LEFT: Final = "nobody_left"
SERVER_DENIED: Final = "server_denied"
GONE_AGAIN: Final = "gone_again"
REMOVED: Final = "removed"
DM_ENDED: Final = "dm_ended"
MEMBERSHIP: Final = "membership"

# Anything else that happens in a room.
UNREADABLE: Final = "unreadable"
REPEATED: Final = "repeated"
STATE: Final = "state"
