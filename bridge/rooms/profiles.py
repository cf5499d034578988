"""Who says in their profile that they are a program."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from bridge import log
from bridge.clock import Clock
from bridge.domain.ids import UserId
from bridge.domain.persona import Puppet
from bridge.domain.vendor import AI_KEY, BOT_FLAG
from bridge.errors import HomeserverError, Refused
from bridge.ports import Homeserver, Store

_KNOWN_MS: Final = 86_400_000
"""A profile is looked at once a day, when its owner asks something."""
_REMEMBERED: Final = 10_000


class Profiles:
    def __init__(self, *, store: Store, homeserver: Homeserver, clock: Clock) -> None:
        self._store = store
        self._homeserver = homeserver
        self._clock = clock
        self._known: OrderedDict[UserId, tuple[int, bool]] = OrderedDict()
        self._log = log.get("rooms.profiles")

    async def is_bot(self, puppet: Puppet, person: UserId) -> bool:
        """Whether the profile says so. One that cannot be seen says nothing."""
        now = self._clock.now()
        seen_at, was_bot = self._known.get(person, (0, False))
        if now - seen_at < _KNOWN_MS:
            return was_bot
        found = await self._look(puppet, person, now)
        if found is None:
            return False
        self._known[person] = (now, found)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def _look(self, puppet: Puppet, person: UserId, now: int) -> bool | None:
        known = await self._store.people.is_bot(person, now - _KNOWN_MS)
        if known is not None:
            return known
        try:
            profile = await self._homeserver.profile(puppet, person)
        except Refused:
            profile = dict[str, object]()
        except HomeserverError as error:
            self._log.debug("profile_not_seen", problem=str(error))
            return None
        is_bot = profile.get(BOT_FLAG) is True or isinstance(profile.get(AI_KEY), dict)
        await self._store.people.note_profile(person, is_bot=is_bot)
        return is_bot
