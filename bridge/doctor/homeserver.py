"""Checks of the homeserver: reachable, tokens, its way to us, repeated sends, its clock."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from bridge.admin.probe import is_running
from bridge.clock import Clock
from bridge.doctor.finding import Finding, fail, ok, warn
from bridge.domain.cast import Cast
from bridge.domain.effect import SendText
from bridge.domain.events import Delivery
from bridge.domain.ids import PuppetId, RoomId, TxnId, localpart_of, server_of
from bridge.domain.persona import Puppet, PuppetRecord
from bridge.errors import DatabaseError, HomeserverError, TokenRejected
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.matrix.ingest import Ingest
from bridge.matrix.puppetry import Puppetry
from bridge.registration import Registration
from bridge.settings import Settings

_SKEW_WARNED_MS: Final = 5_000
_V3: Final = "_matrix/client/v3"
_SAME_FILE: Final = (
    "List our registration file in app_service_config_files of homeserver.yaml, make sure that it "
    "is the same file (not an older copy), and restart the homeserver."
)


async def check_reachable(homeserver: MatrixHomeserver, url: str) -> Finding:
    name = "homeserver"
    try:
        versions = await homeserver.versions()
    except HomeserverError as error:
        return fail(
            name,
            f"No homeserver answers: {error}.",
            "Start it, or correct homeserver.url.",
        )
    newest = versions[-1] if versions else "an unknown version"
    return ok(name, f"{url} answers and speaks Matrix up to {newest}.")


async def check_tokens(
    homeserver: MatrixHomeserver, registration: Registration, server_name: str
) -> Finding:
    """The homeserver accepts our as_token, as the user and on the server that we think."""
    name = "tokens"
    try:
        answer = await homeserver.call_as_appservice("GET", f"{_V3}/account/whoami", {})
    except TokenRejected:
        return fail(name, "The homeserver does not know our as_token.", _SAME_FILE)
    except HomeserverError as error:
        return fail(name, f"The homeserver refuses our as_token: {error}.", _SAME_FILE)
    user_id = str(answer.get("user_id", ""))
    if server_of(user_id) != server_name:
        return fail(
            name,
            f"The homeserver calls itself {server_of(user_id)}, the configuration {server_name}.",
            "Correct homeserver.server_name, write a new registration with `registration --force`, "
            "and restart the homeserver.",
        )
    if localpart_of(user_id) != registration.sender_localpart:
        return fail(
            name, f"The homeserver takes us for {user_id}: it loaded another registration.",
            _SAME_FILE,
        )  # fmt: skip
    return ok(name, "The homeserver accepts our as_token.")


async def check_ping(
    homeserver: MatrixHomeserver,
    registration: Registration,
    settings: Settings,
    cast: Cast,
    clock: Clock,
) -> Finding:
    """The homeserver reaches the running bridge, or us in its place, with the right hs_token."""
    name = "ping"
    appservice = settings.appservice
    where = f"{appservice.listen_host}:{appservice.listen_port}"
    try:
        async with _listening(registration, settings, cast, clock) as refused:
            try:
                took_ms = await homeserver.ping(registration.id)
            except HomeserverError as error:
                return _unreached(error, has_refused=bool(refused), settings=settings)
    except OSError as error:
        return fail(
            name,
            f"Nothing of ours can listen on {where} ({error.strerror}), and no bridge is running.",
            "Stop the program that uses that port, or change appservice.listen_host or "
            "appservice.listen_port.",
        )
    return ok(name, f"The homeserver reached us at {registration.url} in {took_ms} ms.")


def _unreached(error: HomeserverError, *, has_refused: bool, settings: Settings) -> Finding:
    name = "ping"
    url = settings.appservice.url
    if has_refused:
        return fail(
            name, "The homeserver reaches us with a wrong hs_token, so its events are refused.",
            _SAME_FILE,
        )  # fmt: skip
    match error.errcode:
        case "M_CONNECTION_FAILED" | "M_CONNECTION_TIMEOUT" | "M_URL_NOT_SET":
            return fail(
                name,
                f"The homeserver cannot reach us at {url}, so it cannot send us anything.",
                "appservice.url must lead from the homeserver's machine to appservice.listen_host "
                "and listen_port here: in containers that is a service's name, not localhost. "
                "After a change run `registration --force` and restart the homeserver.",
            )
        case "M_BAD_STATUS":
            return fail(
                name,
                f"What answers at {url} is not this bridge, or has another hs_token.",
                f"Stop what else answers there, or correct appservice.url. {_SAME_FILE}",
            )
        case _:
            return fail(name, f"The homeserver does not ping us: {error}.", _SAME_FILE)


@asynccontextmanager
async def _listening(
    registration: Registration, settings: Settings, cast: Cast, clock: Clock
) -> AsyncGenerator[list[int]]:
    """Stand in for a bridge that is not running; yields the statuses of what we refused.

    Events are not taken: the homeserver keeps them for the bridge. Raises OSError.
    """
    if await is_running(settings.http):
        yield []
        return
    refused: list[int] = []

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        if response.status in (401, 403):
            refused.append(response.status)
        return response

    ingest = Ingest(
        hs_token=registration.hs_token, deliver=_not_now, clock=clock, is_ours=cast.is_ours
    )
    routes = ingest.app()
    routes.middlewares.insert(0, note)
    runner = web.AppRunner(routes, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        appservice = settings.appservice
        await web.TCPSite(runner, appservice.listen_host, appservice.listen_port).start()
        yield refused
    finally:
        await runner.cleanup()


async def _not_now(delivery: Delivery) -> int:
    raise DatabaseError(f"{len(delivery.events)} events wait until the bridge runs")


async def check_repeated_send(
    homeserver: MatrixHomeserver, bridge_user: Puppet, operator: str
) -> Finding:
    """The same transaction id twice makes one event: what "never twice" rests on."""
    name = "repeated send"
    try:
        puppetry = Puppetry(homeserver=homeserver, memory=_NoMemory(), operator=operator)
        await puppetry.ensure(bridge_user)
        whoami = await homeserver.whoami(bridge_user, with_device=True)
        is_one = await _send_twice(homeserver, bridge_user)
    except HomeserverError as error:
        return fail(
            name,
            f"It could not be tried as {bridge_user.user_id}: {error}.",
            "Mend the failures above first; then look into the homeserver's log.",
        )
    if not is_one:
        return fail(
            name,
            "The homeserver posted one message twice: after a crash or a lost connection people "
            "would read answers twice.",
            "Use a homeserver that recognises transaction ids of appservices: Synapse 1.141 or "
            "newer does.",
        )
    if whoami.get("device_id") != bridge_user.device_id:
        return warn(
            name,
            "The homeserver recognises a repeated send, but ignores the puppet's device, so it may "
            "forget when it restarts.",
            "Use a homeserver with device masquerading (MSC4326): Synapse 1.141 or newer.",
        )
    return ok(name, "The homeserver recognises a repeated send and posts it once.")


async def _send_twice(homeserver: MatrixHomeserver, puppet: Puppet) -> bool:
    """In a private room that is left again. True when it became one event."""
    answer = await homeserver.call(
        puppet,
        "POST",
        f"{_V3}/createRoom",
        {"preset": "private_chat", "name": "Check by matrix-ai-bridge doctor"},
        timeout_s=30.0,
    )
    room_id = RoomId(answer["room_id"])
    try:
        txn_id = TxnId(f"doctor.{secrets.token_hex(8)}")
        effect = SendText(text="A check of repeated sends.", is_notice=True)
        first = await homeserver.send(puppet, room_id, effect, txn_id)
        return first == await homeserver.send(puppet, room_id, effect, txn_id)
    finally:
        await homeserver.leave(puppet, room_id, "the check is over")


class _NoMemory:
    """Puppetry's memory for a check that must not touch the database."""

    async def get(self, puppet_id: PuppetId) -> PuppetRecord | None:
        return None

    async def put(self, record: PuppetRecord) -> None:
        return None


async def check_clock(homeserver: MatrixHomeserver, clock: Clock) -> Finding:
    """Old messages are told from new ones by comparing both clocks."""
    name = "clock"
    try:
        before = clock.now()
        theirs = await homeserver.server_time()
        after = clock.now()
    except HomeserverError as error:
        return fail(name, f"The homeserver did not say its time: {error}.", "Run this again.")
    if theirs is None:
        return ok(name, "The homeserver does not say its time, so it was not compared.")
    # It says whole seconds, rounded down.
    skew_ms = max(before - (theirs + 999), theirs - after, 0)
    if skew_ms > _SKEW_WARNED_MS:
        ahead = "ahead of" if theirs < before else "behind"
        return warn(
            name,
            f"Our clock is {skew_ms / 1000:.0f} s {ahead} the homeserver's; new messages may be "
            "taken for old ones and not be answered.",
            "Set both clocks by NTP (`timedatectl set-ntp true`).",
        )
    return ok(name, "Our clock and the homeserver's agree.")
