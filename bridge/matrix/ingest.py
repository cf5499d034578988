"""What the homeserver sends us: stored, then acknowledged."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiohttp import web

from bridge import log, metrics
from bridge.clock import Clock
from bridge.domain.events import Delivery, Intake
from bridge.errors import BridgeError, TransactionMissing
from bridge.matrix.wire import parse_transaction

MAX_BODY_BYTES: Final = 64 << 20
"""Synapse sends up to 100 events of 64 KiB each, and resends for ever what is too big for us."""

_MAX_TXN_DIGITS: Final = 18

DOUBT_S: Final = 60.0
"""Synapse strands a transaction that it makes in the moment when its recovery of an appservice
ends: it goes out only after the next failure. So for this long after a start or a refusal, a number
left out is believed to be such a one, and asked for by refusing the one behind it, once."""

EARLY_S: Final = 60.0
"""Synapse keeps an idle connection for two minutes. One that ends this soon after a transaction has
probably ended with its homeserver."""
EARLY_ENDS: Final = 10
EARLY_ENDS_WITHIN_S: Final = 600.0
"""More of them say nothing: there is a proxy in between that closes connections early."""

Deliver = Callable[[Delivery], Awaitable[int]]
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Ingest:
    """The appservice side of a homeserver's requests (spec: application service API)."""

    def __init__(
        self,
        *,
        hs_token: str,
        deliver: Deliver,
        clock: Clock,
        is_ours: Callable[[str], bool],
        appservice_id: str = "",
    ) -> None:
        self.refused = asyncio.Event()
        """Set when a transaction was not stored: the homeserver waits before it tries again."""
        self.on_trouble: Callable[[], None] | None = None
        """Called when the homeserver seems to have died, and with it what it held in memory."""
        self._appservice_id = appservice_id
        self._doubts_until_s = clock.monotonic() + DOUBT_S
        self._refused_txn = -1
        self._used_s: dict[asyncio.Task[None], float] = {}
        """Connections that brought transactions, and when the last one came."""
        self._early_s: list[float] = []
        self._hs_token = hs_token.encode()
        self._deliver = deliver
        self._clock = clock
        self._is_ours = is_ours
        self._log = log.get("matrix.ingest")

    async def accept(self, body: object, txn_id: str = "") -> None:
        """Store one transaction. Returns after the commit; raises when it was not stored."""
        delivery = parse_transaction(body, self._clock.now(), self._is_ours)
        await self._deliver(replace(delivery, intake=self._intake(txn_id)))
        for kind, count in Counter(event.kind for event in delivery.events).items():
            metrics.EVENTS_RECEIVED.labels(kind=kind).inc(count)
        if delivery.malformed:
            metrics.EVENTS_MALFORMED.inc(len(delivery.malformed))
            problems = sorted({each.problem for each in delivery.malformed})
            self._log.warning("events_malformed", count=len(delivery.malformed), why=problems[:5])

    def app(self) -> web.Application:
        """The routes, at today's paths and at those of before 2019."""
        app = web.Application(
            client_max_size=MAX_BODY_BYTES, middlewares=[self._answer_in_matrix, self._authorise]
        )
        for prefix in ("/_matrix/app/v1", ""):
            app.add_routes(
                [
                    web.put(prefix + "/transactions/{txn_id}", self._put_transaction),
                    web.get(prefix + "/users/{user_id}", self._get_user),
                    web.get(prefix + "/rooms/{alias}", self._get_room),
                ]
            )
        app.add_routes([web.post("/_matrix/app/v1/ping", self._ping)])
        return app

    @web.middleware
    async def _answer_in_matrix(self, request: web.Request, handler: Next) -> web.StreamResponse:
        """Errors as the specification has them. A mistake of ours acknowledges nothing."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            errcode = "M_TOO_LARGE" if error.status == 413 else "M_UNRECOGNIZED"
            return _error(error.status, errcode, error.reason)
        except Exception:
            self._log.exception("request_failed", method=request.method)
            return _error(500, "M_UNKNOWN", "a mistake of ours, please send it again")

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Next) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = given or request.query.get("access_token", "")
        if not given:
            return _error(401, "M_MISSING_TOKEN", "the hs_token is missing")
        if not hmac.compare_digest(given.encode(errors="replace"), self._hs_token):
            self._log.warning("hs_token_wrong", path=request.path)
            return _error(403, "M_FORBIDDEN", "this is not the hs_token of our registration")
        return await handler(request)

    async def _put_transaction(self, request: web.Request) -> web.Response:
        # The transaction id is no key: Synapse on SQLite starts it again, and resends events under
        # new ones. Events are recognised by their own ids.
        raw = await request.read()
        self._note_use(request)
        try:
            body: object = json.loads(raw)
        except (ValueError, RecursionError):
            # A homeserver would resend it for ever: it is kept, and acknowledged.
            body = raw[:4096].decode(errors="replace")
        txn_id = request.match_info["txn_id"]
        try:
            await self.accept(body, txn_id)
        except TransactionMissing as error:
            metrics.TRANSACTIONS.labels(outcome="early").inc()
            self._log.info("transaction_missing", problem=str(error))
            self._refused_txn = int(txn_id)
            self.refused.set()
            return _error(503, "M_UNKNOWN", "one before it is missing, please send that first")
        except BridgeError as error:
            metrics.TRANSACTIONS.labels(outcome="refused").inc()
            self._log.error("transaction_not_stored", problem=str(error))
            self._doubts_until_s = self._clock.monotonic() + DOUBT_S
            self.refused.set()
            return _error(503, "M_UNKNOWN", "not stored, please send it again")
        metrics.TRANSACTIONS.labels(outcome="stored").inc()
        return web.json_response({})

    def _note_use(self, request: web.Request) -> None:
        connection = request.task
        if request.keep_alive:
            if connection not in self._used_s:
                connection.add_done_callback(self._note_end)
            self._used_s[connection] = self._clock.monotonic()

    def _note_end(self, connection: asyncio.Task[None]) -> None:
        now_s = self._clock.monotonic()
        is_early = now_s - self._used_s.pop(connection) < EARLY_S
        self._early_s = [at_s for at_s in self._early_s if now_s - at_s < EARLY_ENDS_WITHIN_S]
        if is_early and len(self._early_s) < EARLY_ENDS:
            self._early_s.append(now_s)
            if self.on_trouble is not None:
                self.on_trouble()

    def _intake(self, txn_id: str) -> Intake | None:
        if not (txn_id.isascii() and txn_id.isdecimal() and len(txn_id) <= _MAX_TXN_DIGITS):
            return None
        is_trusting = self._clock.monotonic() > self._doubts_until_s
        return Intake(
            appservice_id=self._appservice_id,
            txn=int(txn_id),
            is_insistent=is_trusting or int(txn_id) == self._refused_txn,
        )

    async def _get_user(self, request: web.Request) -> web.Response:
        if self._is_ours(request.match_info["user_id"]):
            return web.json_response({})
        return _error(404, "M_NOT_FOUND", "no such puppet")

    async def _get_room(self, _: web.Request) -> web.Response:
        return _error(404, "M_NOT_FOUND", "we have no room aliases")

    async def _ping(self, _: web.Request) -> web.Response:
        return web.json_response({})


def _error(status: int, errcode: str, message: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": message}, status=status)
