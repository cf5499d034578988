"""The schema, in numbered steps. Steps are only ever appended, and change once released never.

The header of a step says which programs can still use the database after it: a program that knows
steps up to v3 runs on a database at v4 when v4 is "compatible with v3+". That lets two versions
run side by side during a deploy, and lets one version be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.errors import SchemaTooNew
from bridge.store.database import Connection, Database

Run = Callable[[Connection, Database], Awaitable[None]]

_HEADER: Final = re.compile(r"^-- v(\d+) \(compatible with v(\d+)\+\)$")

_VERSION_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_version (
    version BIGINT NOT NULL,
    compatible_with BIGINT NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """One step. `compatible_with`: the oldest program that can use the database after it."""

    version: int
    compatible_with: int
    run: Run


def upgrade(header: str, run: Run) -> Upgrade:
    """A step, numbered by its header `-- vN (compatible with vM+)`."""
    match = _HEADER.match(header)
    if match is None:
        raise ValueError(f"no header of an upgrade: {header!r}")
    return Upgrade(version=int(match[1]), compatible_with=int(match[2]), run=run)


_TABLES_V1: Final = """
CREATE TABLE puppet (
    puppet_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE,
    device_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    avatar_hash TEXT NOT NULL,
    avatar_mxc TEXT NOT NULL,
    state TEXT NOT NULL
);
CREATE TABLE room (
    room_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE member (
    room_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    membership TEXT NOT NULL,
    display_name TEXT NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX member_by_user ON member (user_id, membership);
CREATE TABLE mailbox (
    room_id TEXT PRIMARY KEY,
    wake_at BIGINT,
    arrivals BIGINT NOT NULL DEFAULT 0,
    owner TEXT,
    epoch BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX mailbox_due ON mailbox (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX mailbox_by_owner ON mailbox (owner) WHERE owner IS NOT NULL;
CREATE TABLE worker (
    worker_id TEXT PRIMARY KEY,
    lease_until_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL
);
CREATE TABLE inbox (
    seq {sequence_key},
    event_id TEXT NOT NULL UNIQUE,
    room_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'new',
    attempts BIGINT NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    problem TEXT NOT NULL DEFAULT ''
);
CREATE INDEX inbox_new ON inbox (room_id, seq) WHERE state = 'new';
CREATE INDEX inbox_with_text ON inbox (room_id) WHERE body <> '';
CREATE INDEX inbox_by_age ON inbox (received_at);
CREATE TABLE malformed (
    seq {sequence_key},
    problem TEXT NOT NULL,
    raw TEXT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE TABLE turn (
    turn_id TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    puppet_id TEXT NOT NULL,
    cause_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    reply_tokens BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX turn_open ON turn (room_id) WHERE state IN ('thinking', 'speaking');
CREATE INDEX turn_ended ON turn (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE outbox (
    seq {sequence_key},
    txn_id TEXT NOT NULL UNIQUE,
    turn_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    puppet_id TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    event_id TEXT,
    attempts BIGINT NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '',
    planned_at BIGINT NOT NULL
);
CREATE INDEX outbox_of_turn ON outbox (turn_id, seq);
CREATE INDEX outbox_planned ON outbox (room_id, seq) WHERE state = 'planned';
CREATE INDEX outbox_by_event ON outbox (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX outbox_by_age ON outbox (planned_at);
CREATE TABLE message (
    seq {sequence_key},
    event_id TEXT NOT NULL UNIQUE,
    room_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    text TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    stored_at BIGINT NOT NULL,
    reply_to TEXT,
    thread_root TEXT,
    is_ours BIGINT NOT NULL,
    is_ai BIGINT NOT NULL,
    is_context BIGINT NOT NULL,
    redacted_at BIGINT
);
CREATE INDEX message_context ON message (room_id, seq)
    WHERE is_context = 1 AND redacted_at IS NULL;
CREATE INDEX message_by_age ON message (stored_at);
CREATE TABLE invite (
    event_id TEXT PRIMARY KEY,
    inviter TEXT NOT NULL,
    accepted_at BIGINT NOT NULL
);
CREATE INDEX invite_by_inviter ON invite (inviter, accepted_at)
"""


async def upgrade_v1(connection: Connection, database: Database) -> None:
    """Everything that 0.1 stores."""
    for statement in _TABLES_V1.split(";"):
        await connection.execute(statement.replace("{sequence_key}", database.sequence_key))


_CHANGES_V2: Final = """
ALTER TABLE mailbox ADD COLUMN deaths BIGINT NOT NULL DEFAULT 0;
DROP INDEX mailbox_due;
CREATE INDEX mailbox_due ON mailbox (wake_at, room_id) WHERE owner IS NULL AND wake_at IS NOT NULL;
ALTER TABLE worker ADD COLUMN lock_key BIGINT;
ALTER TABLE inbox ADD COLUMN target_id TEXT;
CREATE INDEX inbox_by_target ON inbox (target_id) WHERE target_id IS NOT NULL AND body <> '';
CREATE INDEX outbox_unsettled ON outbox (planned_at) WHERE state IN ('planned', 'sent');
CREATE INDEX turn_by_cause ON turn (cause_id);
CREATE INDEX message_by_sender ON message (sender);
CREATE TABLE erasure (
    event_id TEXT PRIMARY KEY,
    messages BIGINT NOT NULL,
    replies BIGINT NOT NULL,
    rooms BIGINT NOT NULL,
    erased_at BIGINT NOT NULL
);
CREATE TABLE intake (
    appservice_id TEXT PRIMARY KEY,
    last_txn BIGINT NOT NULL
)
"""


async def upgrade_v2(connection: Connection, _: Database) -> None:
    """Several workers, and erasing.

    `mailbox.deaths`: how many owners in a row died with the room in hand. `worker.lock_key`: the
    advisory lock that a living worker holds. `inbox.target_id`: the event that an edit, a redaction
    or a reaction points at. `erasure`: what a person had erased, in numbers. `intake`: the number
    of the homeserver's newest transaction.
    """
    for statement in _CHANGES_V2.split(";"):
        await connection.execute(statement)


_CHANGES_V3: Final = """
ALTER TABLE mailbox ADD COLUMN doubts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN is_notice BIGINT NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN asked TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN hops BIGINT NOT NULL DEFAULT 0;
ALTER TABLE turn ADD COLUMN context_messages BIGINT NOT NULL DEFAULT 0;
CREATE INDEX turn_by_room ON turn (room_id, started_at);
CREATE TABLE profile (
    user_id TEXT PRIMARY KEY,
    is_bot BIGINT NOT NULL,
    looked_at BIGINT NOT NULL
);
CREATE TABLE opted_out (
    user_id TEXT PRIMARY KEY,
    since_at BIGINT NOT NULL
)
"""


async def upgrade_v3(connection: Connection, _: Database) -> None:
    """Looking back, and what decisions need to know of the messages before.

    `mailbox.doubts`: above 0 the room may hold events that the homeserver never gave us.
    `message.asked`: names of the puppets that a message asked, with spaces between. `opted_out`:
    people whose words no model is shown. `profile`: who says there that they are a program.
    """
    for statement in _CHANGES_V3.split(";"):
        await connection.execute(statement)


_CHANGES_V4: Final = """
ALTER TABLE turn ADD COLUMN asker TEXT NOT NULL DEFAULT '';
ALTER TABLE turn ADD COLUMN server TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN media TEXT NOT NULL DEFAULT '';
CREATE INDEX turn_by_asker ON turn (asker, started_at);
CREATE INDEX turn_by_server ON turn (server, started_at);
CREATE TABLE summary (
    room_id TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    upto_seq BIGINT NOT NULL,
    since_at BIGINT NOT NULL
)
"""


async def upgrade_v4(connection: Connection, _: Database) -> None:
    """Budgets, summaries, pictures and voices.

    `turn.asker`: who asked for the reply, or the fingerprint of who wanted to be forgotten since;
    `turn.server`: that person's. `summary`: of each room's older messages. `message.media`: the
    kind and address of an image or a voice message that nobody has put in words yet.
    """
    for statement in _CHANGES_V4.split(";"):
        await connection.execute(statement)


_CHANGES_V5: Final = """
ALTER TABLE member ADD COLUMN joined_seq BIGINT;
UPDATE member SET joined_seq = (SELECT COALESCE(MAX(seq), 0) FROM message)
    WHERE membership = 'join';
CREATE TABLE tool_call (
    turn_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    room_id TEXT NOT NULL,
    step BIGINT NOT NULL,
    call_id TEXT NOT NULL,
    name TEXT NOT NULL,
    args TEXT NOT NULL,
    said TEXT NOT NULL,
    result TEXT NOT NULL,
    outcome TEXT NOT NULL,
    called_at BIGINT NOT NULL,
    PRIMARY KEY (turn_id, n)
);
CREATE INDEX tool_call_by_room ON tool_call (room_id);
CREATE INDEX tool_call_by_age ON tool_call (called_at);
CREATE TABLE pull (
    pull_id TEXT PRIMARY KEY,
    server TEXT NOT NULL,
    model TEXT NOT NULL,
    room_id TEXT NOT NULL,
    puppet_id TEXT NOT NULL,
    cause_id TEXT NOT NULL,
    state TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT '',
    done_bytes BIGINT NOT NULL DEFAULT 0,
    total_bytes BIGINT NOT NULL DEFAULT 0,
    started_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE UNIQUE INDEX pull_open ON pull (server, model) WHERE state = 'open'
"""


async def upgrade_v5(connection: Connection, _: Database) -> None:
    """Tools, and downloads of models.

    `tool_call`: the `n`-th of a turn; `said` and `result` are there only until the turn is planned.
    `member.joined_seq`: the newest message when that person last joined: what comes after it they
    may see, whatever the room's history visibility. Of those who are there already it is not known;
    for them it begins now. NULL where the version before wrote the row: then they see nothing.
    `pull`: each that an admin began, whose it is (`owner`, a worker), and where its outcome is
    told. A server and model have one open pull at most. A program of v4 beside this one can't read
    what admins are told of them, and sets it aside.
    """
    for statement in _CHANGES_V5.split(";"):
        await connection.execute(statement)


UPGRADES: Final[tuple[Upgrade, ...]] = (
    upgrade("-- v1 (compatible with v1+)", upgrade_v1),
    upgrade("-- v2 (compatible with v1+)", upgrade_v2),
    upgrade("-- v3 (compatible with v2+)", upgrade_v3),
    upgrade("-- v4 (compatible with v3+)", upgrade_v4),
    upgrade("-- v5 (compatible with v4+)", upgrade_v5),
)

LATEST: Final = UPGRADES[-1].version


async def current_version(database: Database) -> int:
    """The schema's version, 0 for an empty database."""
    async with database.reading() as connection:
        if not await database.has_table(connection, "schema_version"):
            return 0
        return await connection.fetchval("SELECT version FROM schema_version") or 0


async def migrate(database: Database, upgrades: Sequence[Upgrade] = UPGRADES) -> int:
    """Bring the schema to the newest version; returns the version it had before.

    All or nothing, safe to repeat and safe from several processes at once. Raises SchemaTooNew
    when a newer program has made the database unusable for this one.
    """
    latest = upgrades[-1].version
    async with database.migration() as connection:
        await connection.execute(_VERSION_TABLE)
        row = await connection.fetchrow("SELECT version, compatible_with FROM schema_version")
        before, compatible_with = (row["version"], row["compatible_with"]) if row else (0, 0)
        if before > latest:
            _refuse_if_too_new(before, compatible_with, latest, database.place)
            return before
        for step in upgrades[before:]:
            await step.run(connection, database)
            compatible_with = max(compatible_with, step.compatible_with)
        if before < latest:
            await connection.execute("DELETE FROM schema_version")
            await connection.execute(
                "INSERT INTO schema_version (version, compatible_with) VALUES ($1, $2)",
                latest,
                compatible_with,
            )
        return before


def _refuse_if_too_new(version: int, compatible_with: int, latest: int, place: str) -> None:
    if version == latest + 1 and compatible_with <= latest:
        return
    raise SchemaTooNew(
        f"The database {place} is at schema v{version}; this program knows v{latest} and can use "
        f"at most v{latest + 1}, where that is marked compatible. Start the newer program again, "
        "or restore the backup from before the upgrade."
    )
