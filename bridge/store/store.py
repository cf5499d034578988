"""Everything that is stored, on one database."""

from __future__ import annotations

from bridge.clock import Clock
from bridge.store.database import Database, open_database
from bridge.store.history import History
from bridge.store.leaving import purge_left_rooms
from bridge.store.lookback import Lookback
from bridge.store.mailbox import Mailbox
from bridge.store.migrations import migrate
from bridge.store.outbox import Outbox
from bridge.store.people import People
from bridge.store.presence import Presence
from bridge.store.pulls import Pulls
from bridge.store.puppets import Puppets
from bridge.store.rooms import Rooms
from bridge.store.summaries import Summaries
from bridge.store.tool_calls import ToolCalls
from bridge.store.turns import Turns
from bridge.store.workers import Workers


class Store:
    """Satisfies `bridge.ports.Store`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.presence = Presence(database)
        self.workers = Workers(database, self.presence)
        self.mailbox = Mailbox(database)
        self.lookback = Lookback(database)
        self.outbox = Outbox(database)
        self.turns = Turns(database)
        self.rooms = Rooms(database)
        self.history = History(database)
        self.people = People(database)
        self.summaries = Summaries(database)
        self.tool_calls = ToolCalls(database)
        self.pulls = Pulls(database)
        self.puppets = Puppets(database)

    async def prune(self, *, text_before: int, records_before: int) -> int:
        """Delete room text, and records without text, older than these (unix ms)."""
        deleted = await self.history.prune(text_before)
        deleted += await self.summaries.prune(text_before)
        deleted += await self.tool_calls.prune(text_before)
        deleted += await self.mailbox.prune(records_before)
        deleted += await self.people.prune(records_before)
        deleted += await self.pulls.prune(records_before)
        return deleted + await self.turns.prune(records_before)

    async def purge_left_rooms(self, before: int) -> int:
        """Delete everything of rooms that all puppets left before (unix ms); returns how many."""
        return await purge_left_rooms(self.database, before)

    async def tidy(self) -> None:
        """Remove what was erased from the files of the database. To be called often: it costs
        nothing where nothing was written. Raises DatabaseError."""
        await self.database.erase_free_space()

    async def close(self) -> None:
        await self.presence.end()
        await self.database.close()


async def open_store(url: str, clock: Clock) -> Store:
    """Open the database and bring its schema up to date. Raises ConfigError and DatabaseError."""
    database = await open_database(url, clock)
    try:
        await migrate(database)
    except BaseException:
        await database.close()
        raise
    return Store(database)
