"""The running program: the only module that names concrete adapters. Wiring, no logic."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Final, Literal

from aiohttp import web

from bridge import log, metrics
from bridge.admin import http as admin_http
from bridge.admin.figures import rows_of, usage_of
from bridge.clock import Clock, SystemClock
from bridge.domain.persona import Puppet
from bridge.endpoints import Endpoints, tool_sources
from bridge.errors import ConfigError, DatabaseError, HomeserverError, RateLimited, Unreachable
from bridge.house import build_cast, build_house
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.matrix.ingest import Ingest
from bridge.matrix.puppetry import Puppetry
from bridge.policy.view import House
from bridge.ports import Engine, Homeserver, ModelKeeper, ToolSource, Transcriber
from bridge.ports import Store as StorePort
from bridge.registration import Registration, load_registration
from bridge.rooms.actor import Actor
from bridge.rooms.builtin import SearchSource, TimeSource
from bridge.rooms.dispatcher import Dispatcher
from bridge.rooms.gate import Gate
from bridge.rooms.heart import Heart
from bridge.rooms.herald import Herald
from bridge.rooms.live import Live
from bridge.rooms.lookback import Lookback
from bridge.rooms.media import Senses
from bridge.rooms.models import Models
from bridge.rooms.perform import Performer
from bridge.rooms.profiles import Profiles
from bridge.rooms.puller import Puller
from bridge.rooms.quiet import Quiet
from bridge.rooms.recall import Recall
from bridge.rooms.send import Sender
from bridge.rooms.speak import Speaker
from bridge.rooms.speech import Composer
from bridge.rooms.think import Thinker
from bridge.rooms.tokens import Tokens
from bridge.rooms.tools import ToolLoop
from bridge.rooms.watcher import Watcher
from bridge.settings import HttpSettings, Settings
from bridge.store.inspect import figures, most_used
from bridge.store.invariants import NAMES, broken
from bridge.store.sole import sole_use
from bridge.store.store import Store, open_store

Role = Literal["run", "ingest", "work"]
"""What a process does: take the homeserver's events in, answer them, or both (`run`)."""

DRAIN_S: Final = 10.0
_RETRY_S: Final = 2.0
_PING_RETRY_S: Final = 10.0
_FIRST_PING_S: Final = 0.3
_MAX_PING_S: Final = 5.0
_HOUSEKEEPING_S: Final = 20.0
_PRUNING_S: Final = 3600.0
_MOST_USED: Final = 5
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


def assemble(
    *,
    store: StorePort,
    homeserver: Homeserver,
    engine: Engine,
    house: House,
    clock: Clock,
    keeper: ModelKeeper,
    transcriber: Transcriber | None = None,
    tools: Sequence[ToolSource] = (),
) -> Dispatcher:
    """The whole pipeline behind a mailbox, on the adapters given."""
    heart = Heart(workers=store.workers, clock=clock)
    sender = Sender(
        outbox=store.outbox,
        homeserver=homeserver,
        cast=house.cast,
        clock=clock,
        check_lease=heart.check_lease,
    )
    tokens = Tokens()
    senses = Senses(
        store=store,
        homeserver=homeserver,
        engine=engine,
        transcriber=transcriber,
        has_eyes=house.has_eyes,
        clock=clock,
    )
    composer = Composer(house=house, clock=clock)
    puller = Puller(
        pulls=store.pulls,
        mailbox=store.mailbox,
        keeper=keeper,
        cast=house.cast,
        prefix=house.command_prefix,
        clock=clock,
    )
    speaker = Speaker(
        store=store,
        homeserver=homeserver,
        thinker=Thinker(
            store=store,
            engine=engine,
            senses=senses,
            tokens=tokens,
            loop=ToolLoop(
                calls=store.tool_calls,
                sources=(
                    TimeSource(house=house, clock=clock),
                    SearchSource(history=store.history, house=house),
                    *tools,
                ),
                house=house,
                clock=clock,
            ),
            house=house,
            clock=clock,
        ),
        sender=sender,
        live=Live(store=store, sender=sender, composer=composer, house=house, clock=clock),
        composer=composer,
        herald=Herald(store=store, keeper=keeper, house=house, clock=clock),
        house=house,
        clock=clock,
    )
    performer = Performer(
        store=store,
        homeserver=homeserver,
        speaker=speaker,
        models=Models(pulls=store.pulls, keeper=keeper, puller=puller),
        house=house,
        clock=clock,
    )
    lookback = Lookback(store=store.lookback, homeserver=homeserver, cast=house.cast, clock=clock)
    watcher = Watcher(store=store, house=house)
    quiet = Quiet(
        store=store,
        performer=performer,
        gate=Gate(engine=engine, tokens=tokens, summaries=store.summaries, clock=clock),
        watcher=watcher,
        house=house,
        clock=clock,
    )
    actor = Actor(
        store=store,
        homeserver=homeserver,
        performer=performer,
        sender=sender,
        lookback=lookback,
        watcher=watcher,
        quiet=quiet,
        recall=Recall(store=store, engine=engine, tokens=tokens, house=house, clock=clock),
        profiles=Profiles(store=store, homeserver=homeserver, clock=clock),
        house=house,
        clock=clock,
    )
    return Dispatcher(
        mailbox=store.mailbox,
        workers=store.workers,
        heart=heart,
        actor=actor,
        lookback=lookback,
        puller=puller,
        clock=clock,
    )


class App:
    """A bridge that is up: what it is made of, and whether it is ready."""

    def __init__(
        self,
        *,
        settings: Settings,
        registration: Registration,
        store: Store,
        homeserver: MatrixHomeserver,
        endpoints: Endpoints,
        clock: Clock,
        tools: Sequence[ToolSource] = (),
        role: Role = "run",
    ) -> None:
        self.role: Role = role
        self.settings = settings
        self.endpoints = endpoints
        self.cast = build_cast(settings)
        self.store = store
        self.homeserver = homeserver
        self.ready = asyncio.Event()
        self._registration = registration
        self._clock = clock
        self._started_s = clock.monotonic()
        self._waiting_for = "the homeserver"
        self._log = log.get("app")
        self.dispatcher = assemble(
            store=store,
            homeserver=homeserver,
            engine=endpoints.pool,
            keeper=endpoints.keeper,
            transcriber=endpoints.transcriber,
            tools=tools,
            house=build_house(settings, self.cast),
            clock=clock,
        )
        store.mailbox.on_delivery = self.dispatcher.wake
        store.lookback.on_doubt = self.dispatcher.wake
        homeserver.on_trouble = self.dispatcher.lookback.doubt
        store.presence.on_wake = self.dispatcher.wake
        self.ingest = Ingest(
            appservice_id=registration.id,
            hs_token=registration.hs_token,
            deliver=store.mailbox.deliver,
            clock=clock,
            is_ours=self.cast.is_ours,
        )

        self.ingest.on_trouble = self.dispatcher.lookback.doubt_at_once

    @property
    def engine_label(self) -> str:
        return self.endpoints.pool.label

    async def serve(self) -> None:
        """Do what the role says until cancelled.

        Raises TokenRejected, Refused and ConfigError when the puppets cannot be brought up.
        """
        if self.is_worker:
            await self._bring_up()
        async with asyncio.TaskGroup() as group:
            if self.is_worker:
                group.create_task(self.dispatcher.run(), name="dispatcher")
                group.create_task(self._keep_house(), name="housekeeping")
                group.create_task(self.endpoints.pool.keep_well(), name="endpoints")
                group.create_task(self.endpoints.warm_up.run(), name="warm-up")
            else:
                group.create_task(self.dispatcher.lookback.keep_doubting(), name="doubt")
            if self.is_listener:
                group.create_task(self._keep_contact(), name="ping")
            self._waiting_for = ""
            self.ready.set()
            self._log.info(
                "ready", role=self.role, engine=self.engine_label, puppets=len(self.cast.puppets)
            )

    def reload(self, load: Callable[[], Settings]) -> None:
        """Use the endpoints of the settings as they are now. Bad ones change nothing."""
        try:
            self.endpoints.change(load().engine)
        except ConfigError as error:
            self._log.error("reload_refused", problem=str(error))
        else:
            self._log.info("reloaded", engine=self.engine_label)

    @property
    def is_worker(self) -> bool:
        return self.role != "ingest"

    @property
    def is_listener(self) -> bool:
        return self.role != "work"

    async def status(self) -> admin_http.Status:
        now = self._clock.now()
        kept_days = self.settings.retention.room_text_days
        rows = rows_of(await figures(self.store.database), now, kept_days=kept_days)
        return admin_http.Status(
            is_ready=self.ready.is_set(),
            waiting_for=self._waiting_for,
            version=version("matrix-ai-bridge"),
            engine=self.engine_label,
            homeserver=self.settings.homeserver.url,
            uptime_s=round(self._clock.monotonic() - self._started_s),
            puppets=[(p.display_name, p.user_id) for p in self.cast.puppets],
            figures=rows,
            usage=usage_of(await most_used(self.store.database, now - _DAY_MS, _MOST_USED)),
        )

    async def _bring_up(self) -> None:
        puppetry = Puppetry(
            homeserver=self.homeserver, memory=self.store.puppets, operator=self._operator()
        )
        for puppet in self.cast.puppets:
            await self._refuse_retired(puppet)
            while True:
                try:
                    await puppetry.ensure(puppet)
                    break
                except (Unreachable, RateLimited) as error:
                    self._log.warning("homeserver_unavailable", problem=str(error))
                    await self._clock.sleep(_RETRY_S)

    async def _refuse_retired(self, puppet: Puppet) -> None:
        record = await self.store.puppets.get(puppet.puppet_id)
        if record is not None and record.state == "retired":
            raise ConfigError(
                f"personas.enabled: {puppet.puppet_id} was retired, and a homeserver does not give "
                f"a deactivated account ({record.user_id}) back. Take it out of the list; to bring "
                "the character back, copy its file to another name and enable that."
            )

    async def _keep_contact(self) -> None:
        """Ping, so that a homeserver in back-off delivers at once: at the start until it reaches
        us, and after every refusal."""
        delay_s = _FIRST_PING_S
        while True:
            await self._ping()
            pinged_s = self._clock.monotonic()
            await self.ingest.refused.wait()
            is_again = self._clock.monotonic() - pinged_s < 2 * delay_s
            delay_s = min(_MAX_PING_S, 2 * delay_s) if is_again else _FIRST_PING_S
            await self._clock.sleep(delay_s)
            self.ingest.refused.clear()

    async def _ping(self) -> None:
        while True:
            try:
                await self.homeserver.ping(self._registration.id)
                return
            except HomeserverError as error:
                self._log.warning("homeserver_cannot_reach_us", problem=str(error))
                await self._clock.sleep(_PING_RETRY_S)

    async def _keep_house(self) -> None:
        pruned_s = -_PRUNING_S
        while True:
            try:
                if self._clock.monotonic() - pruned_s >= _PRUNING_S:
                    await self._prune()
                    pruned_s = self._clock.monotonic()
                await self.store.tidy()
                await self._watch_invariants()
            except DatabaseError as error:
                self._log.warning("database_unavailable", problem=str(error))
            await self._clock.sleep(_HOUSEKEEPING_S)

    async def _watch_invariants(self) -> None:
        retention_ms = self.settings.retention.room_text_days * _DAY_MS
        found = await broken(self.store.database, retention_ms=retention_ms)
        counts = {one.name: one.count for one in found}
        for name in NAMES:
            metrics.INVARIANTS_BROKEN.labels(invariant=name).set(counts.get(name, 0))

    async def _prune(self) -> None:
        now, kept = self._clock.now(), self.settings.retention
        before = now - kept.room_text_days * _DAY_MS
        await self.store.prune(text_before=before, records_before=before)
        await self.store.purge_left_rooms(now - kept.left_room_hours * _HOUR_MS)

    def _operator(self) -> str:
        return self.settings.operator.name or self.settings.homeserver.server_name


@asynccontextmanager
async def running(
    settings: Settings, clock: Clock | None = None, role: Role = "run"
) -> AsyncIterator[App]:
    """Start what the role needs; stop it cleanly at the end.

    Rooms under way get `DRAIN_S` to end. A part that dies ends the whole: the caller's block is
    cancelled and the error raised.
    """
    clock = clock or SystemClock()
    _refuse_to_share_a_file(settings, role)
    registration = load_registration(settings.appservice.registration)
    async with AsyncExitStack() as stack:
        stack.enter_context(sole_use(settings.database.url, status_address(settings.http)))
        store = await open_store(settings.database.url, clock)
        stack.push_async_callback(store.close)
        endpoints = Endpoints(settings.engine, clock, build_cast(settings))
        stack.push_async_callback(endpoints.close)
        tools = tool_sources(settings.tools)
        for source in tools:
            stack.push_async_callback(source.close)
        homeserver = MatrixHomeserver(url=settings.homeserver.url, as_token=registration.as_token)
        stack.push_async_callback(homeserver.close)
        app = App(
            settings=settings,
            registration=registration,
            store=store,
            homeserver=homeserver,
            endpoints=endpoints,
            clock=clock,
            tools=tools,
            role=role,
        )
        appservice = settings.appservice
        if app.is_listener:
            await _listen(stack, app.ingest.app(), appservice.listen_host, appservice.listen_port,
                          "appservice.listen_port")  # fmt: skip
        await _listen(stack, admin_http.application(app.status), settings.http.host,
                      settings.http.port, "http.port")  # fmt: skip
        with _first_cause():
            async with asyncio.TaskGroup() as group:
                work = group.create_task(app.serve(), name="serve")
                try:
                    yield app
                finally:
                    if app.is_worker and app.ready.is_set():
                        await app.dispatcher.hand_over(DRAIN_S)
                    work.cancel()


@contextmanager
def _first_cause() -> Iterator[None]:
    """What went wrong first, out of the groups that tasks raise it in."""
    try:
        yield
    except BaseExceptionGroup as group:
        cause: BaseException = group
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise cause from group


def status_address(http: HttpSettings) -> str:
    """Where people find the status page of a bridge with these settings."""
    return f"http://{http.host}:{http.port}/status"


def _refuse_to_share_a_file(settings: Settings, role: Role) -> None:
    if role != "run" and settings.database.url.lower().startswith("sqlite:"):
        raise ConfigError(
            f"`{role}` is one of several processes that share a PostgreSQL database. Set "
            "database.url to postgres://user:password@host/name, or use `run`, which does "
            "everything in one process."
        )


async def run(
    settings: Settings, role: Role = "run", load: Callable[[], Settings] | None = None
) -> None:
    """Run until SIGTERM or SIGINT; on SIGHUP load the settings again and use their endpoints.

    Raises BridgeError when it cannot go on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, role=role) as app:
        if load is not None:
            loop.add_signal_handler(signal.SIGHUP, app.reload, load)
        await stop.wait()
        log.get("app").info("stopping")


async def _listen(
    stack: AsyncExitStack, app: web.Application, host: str, port: int, key: str
) -> None:
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise ConfigError(
            f"{key}: cannot listen on {host}:{port} ({error.strerror}). "
            "Choose another port, or stop what uses this one."
        ) from error
