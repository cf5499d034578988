"""What a configuration says, as engines: each server of models, the pool of them, and tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec

from bridge.clock import Clock
from bridge.domain.cast import Cast
from bridge.engine import models
from bridge.engine.address import ollama_host
from bridge.engine.demo import DemoEngine
from bridge.engine.keeper import Keeper, Shelf, shelf_wanted
from bridge.engine.ollama import OllamaEngine
from bridge.engine.openai import OpenAIEngine, base_of
from bridge.engine.pool import Endpoint, EnginePool
from bridge.engine.transcribe import TranscriptionServer
from bridge.engine.warm_up import WarmUp
from bridge.errors import ConfigError
from bridge.ports import ToolSource
from bridge.settings import EndpointSettings, EngineSettings, ToolsSettings


class Endpoints:
    """The pool, and which of the configuration's servers each of its endpoints is."""

    def __init__(self, settings: EngineSettings, clock: Clock, cast: Cast | None = None) -> None:
        """`cast`: whose models are wanted, too."""
        self._clock = clock
        self._cast = cast or Cast(())
        self._made: dict[tuple[EndpointSettings, EngineSettings], Endpoint] = {}
        ears = settings.transcription
        self.transcriber = (
            TranscriptionServer(ears.url, model=ears.model, api_key=ears.api_key.get_secret_value())
            if ears.url
            else None
        )
        self.pool = EnginePool(
            self._endpoints(settings),
            clock,
            models={
                "gate": settings.gate_model,
                "summary": settings.summary_model,
                "vision": settings.vision_model,
            },
            patience_s=settings.queue_wait_s,
        )
        self.keeper = Keeper(shelves(settings, self._cast))
        self.keeper.on_pulled = self.pool.has_got
        self.warm_up = WarmUp(self.pool, clock, models=_first_asked(settings, self._cast))
        if settings.warm_up:
            self.pool.on_well = self.warm_up.want
            self.warm_up.want(*self.pool.endpoints)

    async def close(self) -> None:
        await self.pool.close()
        if self.transcriber is not None:
            await self.transcriber.close()

    def change(self, settings: EngineSettings) -> None:
        """Use the servers of these settings from now on. Those that are the same stay as they are;
        one that has gone ends what it is doing."""
        self.pool.replace(self._endpoints(settings))
        self.keeper.replace(shelves(settings, self._cast))

    def _endpoints(self, settings: EngineSettings) -> Sequence[Endpoint]:
        common = settings.model_copy(update={"endpoints": ()})
        keys = [(one, common) for one in settings.servers()]
        self._made = {
            key: self._made.get(key) or _endpoint(*key, clock=self._clock) for key in keys
        }
        return tuple(self._made.values())


def check_tools(settings: ToolsSettings) -> None:
    """Raises ConfigError where servers of tools are named and what speaks to them is missing."""
    if settings.servers and find_spec("mcp") is None:
        raise ConfigError(
            "tools.servers: MCP servers take a part of this program that is not installed. "
            "Run: pip install matrix-ai-bridge[mcp]"
        )


def tool_sources(settings: ToolsSettings) -> Sequence[ToolSource]:
    """The servers of which any tool is allowed. Raises ConfigError."""
    check_tools(settings)
    sources: list[ToolSource] = []
    for server in settings.servers:
        allowed = [name for name in settings.allow if name.startswith(f"{server.name}.")]
        if allowed:
            # Only here, because it is not always installed.
            from bridge.engine.mcp import McpSource

            sources.append(
                McpSource(
                    server.name,
                    allowed=allowed,
                    command=server.command,
                    env={name: value.get_secret_value() for name, value in server.env.items()},
                    url=server.url,
                    headers={k: value.get_secret_value() for k, value in server.headers.items()},
                )
            )
    return sources


def shelves(settings: EngineSettings, cast: Cast) -> list[Shelf]:
    """Which models each server should have: its own, and those that it may be asked for by name."""
    return [shelf for server in settings.servers() if (shelf := _shelf(server, settings, cast))]


def _shelf(server: EndpointSettings, settings: EngineSettings, cast: Cast) -> Shelf | None:
    key = server.api_key.get_secret_value()
    by_name = (
        *((f"reply ({p.puppet_id})", p.persona.model) for p in cast.personas()),
        ("gate", settings.gate_model),
        ("summary", settings.summary_model),
        ("vision", settings.vision_model),
    )
    named = [
        ("reply", server.model),
        *(
            (purpose, model)
            for purpose, model in by_name
            if model and (not server.models or model in server.models)
        ),
    ]
    match server.kind:
        case "demo":
            return None
        case "ollama":
            name = ollama_host(server.url)
            wanted = shelf_wanted(name, named, can_be_pulled=True)
            return Shelf(name=name, wanted=wanted, url=server.url, api_key=key)
        case "openai":
            name = base_of(server.url)
            wanted = shelf_wanted(name, named, can_be_pulled=False)

            async def listing() -> Sequence[str]:
                openai = OpenAIEngine(server.url, api_key=key)
                try:
                    return await openai.models()
                finally:
                    await openai.close()

            return Shelf(name=name, wanted=wanted, listing=listing)


def _first_asked(settings: EngineSettings, cast: Cast) -> Sequence[str]:
    """What people ask first, by how many characters answer with it, and then the gate's."""
    replying = Counter(puppet.persona.model for puppet in cast.personas()) or Counter([""])
    return (*(model for model, _ in replying.most_common()), settings.gate_model)


def _endpoint(server: EndpointSettings, settings: EngineSettings, *, clock: Clock) -> Endpoint:
    key = server.api_key.get_secret_value()
    match server.kind:
        case "demo":
            return Endpoint(name="demo", engine=DemoEngine(clock=clock), slots=64)
        case "openai":
            openai = OpenAIEngine(
                server.url,
                model=server.model,
                api_key=key,
                first_token_timeout_s=settings.first_token_timeout_s,
                stall_timeout_s=settings.stall_timeout_s,
            )
            return Endpoint(
                name=base_of(server.url),
                engine=openai,
                slots=server.slots,
                models=frozenset(server.models),
                probe=openai.models,
            )
        case "ollama":
            engine = OllamaEngine(
                server.url,
                model=server.model,
                num_ctx=settings.num_ctx,
                keep_alive=settings.keep_alive,
                api_key=key,
                first_token_timeout_s=settings.first_token_timeout_s,
                stall_timeout_s=settings.stall_timeout_s,
            )
            return Endpoint(
                name=ollama_host(server.url),
                engine=engine,
                slots=server.slots,
                models=frozenset(server.models),
                probe=lambda: models.version(server.url, key),
                load=engine.load,
            )
