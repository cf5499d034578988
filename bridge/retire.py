"""Puppets leave for ever: every room, then the account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bridge.admin.probe import is_running
from bridge.clock import Clock
from bridge.domain.ids import WorkerId
from bridge.domain.persona import Persona, Puppet, PuppetRecord
from bridge.errors import HomeserverError, SetupError, TokenRejected
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.matrix.puppetry import Puppetry
from bridge.registration import load_registration
from bridge.settings import Settings
from bridge.store.sole import sole_use
from bridge.store.store import open_store

_REASON: Final = "This AI member has been retired by its operator."


async def find_puppets(
    settings: Settings, wanted: str | None, clock: Clock
) -> Sequence[PuppetRecord]:
    """Accounts that exist and that retiring `wanted` (None: everybody) would deactivate.

    Also of personas that are enabled no more. Raises SetupError, also while a bridge runs on this
    database.
    """
    if await is_running(settings.http):
        raise _still_running(f" (http://{settings.http.host}:{settings.http.port}/status)")
    with sole_use(settings.database.url):
        store = await open_store(settings.database.url, clock)
        try:
            if await store.workers.count_peers(WorkerId("")):
                raise _still_running("")
            records = await store.puppets.all()
        finally:
            await store.close()
    if wanted is None:
        return [record for record in records if record.state == "registered"]
    for record in records:
        if wanted in (record.puppet_id, record.user_id):
            return [record] if record.state == "registered" else []
    known = ", ".join(record.puppet_id for record in records) or "none"
    raise SetupError(
        f"No puppet {wanted!r} was ever brought up with this database. Known ones: {known}."
    )


def _still_running(where: str) -> SetupError:
    return SetupError(
        f"The bridge is running{where} and would go on answering as this puppet. Stop it first, "
        "for instance with `sudo systemctl stop matrix-ai-bridge`, and run this again."
    )


async def retire_puppets(
    settings: Settings,
    records: Sequence[PuppetRecord],
    clock: Clock,
    tell: Callable[[str], None],
) -> bool:
    """Retire them one after another, telling of each; False when one could not be.

    A second try goes on where the first stopped. Raises BridgeError where none can be.
    """
    registration = load_registration(settings.appservice.registration)
    homeserver = MatrixHomeserver(url=settings.homeserver.url, as_token=registration.as_token)
    is_complete = True
    try:
        store = await open_store(settings.database.url, clock)
        try:
            puppetry = Puppetry(homeserver=homeserver, memory=store.puppets, operator="")
            for record in records:
                try:
                    rooms = await puppetry.retire(_puppet(record), _REASON)
                except TokenRejected:
                    raise
                except HomeserverError as error:
                    is_complete = False
                    tell(f"{record.user_id} could not be retired: {error}.")
                else:
                    tell(f"{record.user_id} left {_counted(rooms)} and is deactivated.")
        finally:
            await store.close()
    finally:
        await homeserver.close()
    return is_complete


def _puppet(record: PuppetRecord) -> Puppet:
    """The account, whether or not its persona's file still exists."""
    persona = Persona(
        persona_id=record.puppet_id,
        version="",
        name=record.display_name,
        description="",
        character="",
    )
    return Puppet(
        puppet_id=record.puppet_id,
        user_id=record.user_id,
        device_id=record.device_id,
        display_name=record.display_name,
        persona=persona,
    )


def _counted(rooms: int) -> str:
    return "1 room" if rooms == 1 else f"{rooms} rooms"
