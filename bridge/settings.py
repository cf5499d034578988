"""The operator's configuration: every key, its default and its bounds.

`config/example.yaml` explains each key to operators; a test holds the two together.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from bridge.domain.access import Access, Limits, Rule
from bridge.domain.budget import Budget, Budgets
from bridge.domain.persona import Talkativeness
from bridge.domain.tool import BUILT_IN_TOOLS, ToolLimits

_SERVER_NAME: Final = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_USER_ID: Final = re.compile(r"@[^:\s]+:\S+")
_LOCALPART: Final = re.compile(r"[a-z0-9._=/+-]+")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_TOOL: Final = re.compile(r"[a-z]+|[a-z0-9-]{1,32}\.[^\s.*][^\s*]{0,99}")
_TOOL_SERVER: Final = re.compile(r"[a-z0-9-]{1,32}")
_PROMPT_TOKENS_AT_LEAST: Final = 256
_PROMPT_MARGIN_TOKENS: Final = 64


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_port = parts.port != 0
    except ValueError:
        is_address = has_port = False
    if not is_address or not has_port:
        raise ValueError("write a full address, such as http://localhost:8008")
    return value.rstrip("/")


def _server_name(value: str) -> str:
    if not _SERVER_NAME.fullmatch(value):
        raise ValueError(
            "write what stands behind the colon in your user ids, such as example.org, "
            "without https:// and without a path"
        )
    return value


def _user_id(value: str) -> str:
    if not _USER_ID.fullmatch(value):
        raise ValueError('write a full user id in quotes, such as "@alice:example.org"')
    return value


def _localpart(value: str) -> str:
    if not _LOCALPART.fullmatch(value):
        raise ValueError("write one or more of a-z, 0-9 and . _ = / + -, without @ and server")
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError("write a language code in quotes, such as en, de or zh")
    return value


def _glob(value: str) -> str:
    if not value or any(c.isspace() for c in value) or "://" in value:
        raise ValueError(
            'write a server ("*.example.org"), a user ("@*:example.org") or a room ("!id:server")'
        )
    return value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("write a time zone's IANA name, such as Europe/Berlin or UTC")
    return value


def _tool_name(value: str) -> str:
    if not _TOOL.fullmatch(value):
        raise ValueError(
            "write time, search, or a server of tools.servers, a dot and its tool: weather.forecast"
        )
    return value


def _with_name(value: str) -> str:
    if "{name}" not in value:
        raise ValueError('it must contain {name}, as in "{name} (AI)"')
    return value


Port = Annotated[int, Field(ge=0, le=65535)]
Address = Annotated[str, AfterValidator(_address)]
Localpart = Annotated[str, AfterValidator(_localpart)]
Globs = tuple[Annotated[str, AfterValidator(_glob)], ...]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HomeserverSettings(Section):
    url: Address = "http://localhost:8008"
    server_name: Annotated[str, AfterValidator(_server_name)] = "example.org"


class AppserviceSettings(Section):
    registration: Path = Path("registration.yaml")
    listen_host: str = "127.0.0.1"
    listen_port: Port = 9009
    url: Address = "http://localhost:9009"
    puppet_prefix: Localpart = "ai_"
    bridge_user: Localpart = "aibridge"

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        """Else a persona file could take the bridge user's id."""
        if self.bridge_user.startswith(self.puppet_prefix):
            raise ValueError(
                f"bridge_user ({self.bridge_user}) must not begin with puppet_prefix "
                f"({self.puppet_prefix}); change one of the two"
            )
        return self


class DatabaseSettings(Section):
    url: str = "sqlite:bridge.db"


EngineKind = Literal["ollama", "openai", "demo"]


class EndpointSettings(Section):
    """A server beside the first one."""

    kind: EngineKind = "ollama"
    url: str
    api_key: SecretStr = SecretStr("")
    model: str = ""
    models: tuple[str, ...] = ()
    slots: int = Field(default=1, ge=1, le=1024)


class TranscriptionSettings(Section):
    url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""


class EngineSettings(Section):
    kind: EngineKind = "ollama"
    url: str = "http://localhost:11434"
    api_key: SecretStr = SecretStr("")
    model: str = ""
    num_ctx: int = Field(default=8192, ge=1024)
    max_reply_tokens: int = Field(default=400, ge=16, le=8192)
    temperature: float = Field(default=0.8, ge=0, le=2)
    keep_alive: str = "30m"
    warm_up: bool = True
    first_token_timeout_s: float = Field(default=120, gt=0)
    stall_timeout_s: float = Field(default=30, gt=0)
    slots: int = Field(default=1, ge=1, le=1024)
    queue_wait_s: float = Field(default=120, ge=1)
    gate_model: str = ""
    summary_model: str = ""
    vision_model: str = ""
    transcription: TranscriptionSettings = TranscriptionSettings()
    endpoints: tuple[EndpointSettings, ...] = ()

    @model_validator(mode="after")
    def _leaves_room_for_a_prompt(self) -> Self:
        if self.prompt_tokens() < _PROMPT_TOKENS_AT_LEAST:
            raise ValueError(
                f"max_reply_tokens ({self.max_reply_tokens}) leaves no room for the conversation "
                f"in num_ctx ({self.num_ctx}); lower the first or raise the second"
            )
        return self

    @model_validator(mode="after")
    def _names_each_server_once(self) -> Self:
        urls = [server.url.rstrip("/") for server in self.servers()]
        twice = next((url for url in urls if urls.count(url) > 1), None)
        if twice is not None:
            raise ValueError(
                f"endpoints: {twice} is there twice; one entry with more slots is meant"
            )
        return self

    def servers(self) -> tuple[EndpointSettings, ...]:
        """The first server and the further ones."""
        first = EndpointSettings(
            kind=self.kind, url=self.url, api_key=self.api_key, model=self.model, slots=self.slots
        )
        return (first, *self.endpoints)

    def prompt_tokens(self) -> int:
        """What of the window is left for the prompt."""
        return self.num_ctx - self.max_reply_tokens - _PROMPT_MARGIN_TOKENS


class PersonaSettings(Section):
    folder: Path | None = None
    """None: the personas that come with the program."""
    enabled: tuple[str, ...] = ("luna",)
    display_name: Annotated[str, AfterValidator(_with_name)] = "{name} (AI)"


class RuleSettings(Section):
    allow: Globs = ()
    deny: Globs = ()

    def rule(self) -> Rule:
        return Rule(allow=self.allow, deny=self.deny)


class AccessSettings(Section):
    invite: RuleSettings = RuleSettings()
    ask: RuleSettings = RuleSettings()
    max_invites_per_day: int = Field(default=20, ge=0)
    max_rooms: int = Field(default=1000, ge=0)
    max_members: int = Field(default=2000, ge=2)


class LiveSettings(Section):
    mode: Literal["auto", "off"] = "auto"
    after_s: float = Field(default=4, ge=0)
    every_s: float = Field(default=2.5, ge=0.2)


class RoomSettings(Section):
    answer_age_limit_s: int = Field(default=600, ge=10)
    language: Annotated[str, AfterValidator(_language)] = "en"
    command_prefix: str = Field(default="!ai", min_length=1, max_length=16)
    window_messages: int = Field(default=60, ge=4, le=1000)
    summaries: bool = True
    burst_pause_s: float = Field(default=1.5, ge=0, le=10)
    typing_chars_per_s: float = Field(default=60, ge=0)
    live: LiveSettings = LiveSettings()
    ai_exchange_messages: int = Field(default=4, ge=1, le=20)
    max_level: Talkativeness = "chatty"
    ai_share: float = Field(default=0.3, ge=0, le=1)
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"


def _tool_server(value: str) -> str:
    if not _TOOL_SERVER.fullmatch(value):
        raise ValueError("write a short name of a-z, 0-9 and -")
    return value


class ToolServerSettings(Section):
    """An MCP server: a program that is started, or an address."""

    name: Annotated[str, AfterValidator(_tool_server)]
    command: tuple[str, ...] = ()
    env: dict[str, SecretStr] = {}
    url: str = ""
    headers: dict[str, SecretStr] = {}

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if bool(self.command) == bool(self.url):
            raise ValueError(f"{self.name} needs either a command or a url")
        if self.url:
            _address(self.url)
        if (self.env and self.url) or (self.headers and self.command):
            raise ValueError(f"{self.name}: env goes with a command, headers with a url")
        return self


class ToolsSettings(Section):
    allow: tuple[Annotated[str, AfterValidator(_tool_name)], ...] = ()
    max_steps: int = Field(default=3, ge=1, le=10)
    call_timeout_s: float = Field(default=10, gt=0, le=120)
    time_limit_s: float = Field(default=30, gt=0, le=300)
    servers: tuple[ToolServerSettings, ...] = ()

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Self:
        servers = [server.name for server in self.servers]
        twice = next((name for name in servers if servers.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"servers: {twice} is there twice; give one of them another name")
        for name in self.allow:
            server, dot, _ = name.partition(".")
            if not dot and name not in BUILT_IN_TOOLS:
                raise ValueError(
                    f"allow: there is no tool {name}; there are {' and '.join(BUILT_IN_TOOLS)}, "
                    "and those of servers, such as weather.forecast"
                )
            if dot and server not in servers:
                raise ValueError(f"allow: {name} is of no server; servers lists no {server}")
        return self

    def reserve(self, prompt_tokens: int) -> int:
        """Tokens that prompts leave free: none without tools, at most a third."""
        most = ToolLimits().reserve_tokens
        return min(most, prompt_tokens // 3) if self.allow else 0

    def limits(self, prompt_tokens: int) -> ToolLimits:
        return ToolLimits(
            max_steps=self.max_steps,
            call_timeout_s=self.call_timeout_s,
            time_limit_s=self.time_limit_s,
            reserve_tokens=self.reserve(prompt_tokens),
        )


class OperatorSettings(Section):
    name: str = ""
    contact: str = ""
    care: str = Field(default="", max_length=500)


class BudgetSettings(Section):
    messages_per_minute: int = Field(default=0, ge=0)
    messages_per_day: int = Field(default=0, ge=0)
    tokens_per_minute: int = Field(default=0, ge=0)
    tokens_per_day: int = Field(default=0, ge=0)

    def budget(self) -> Budget:
        return Budget(
            messages_per_minute=self.messages_per_minute,
            messages_per_day=self.messages_per_day,
            tokens_per_minute=self.tokens_per_minute,
            tokens_per_day=self.tokens_per_day,
        )


class OverrideSettings(BudgetSettings):
    match: Annotated[str, AfterValidator(_glob)]


class BudgetsSettings(Section):
    person: BudgetSettings = BudgetSettings(messages_per_minute=12, messages_per_day=400)
    room: BudgetSettings = BudgetSettings(messages_per_minute=40, messages_per_day=4000)
    server: BudgetSettings = BudgetSettings(messages_per_minute=60, messages_per_day=6000)
    overrides: tuple[OverrideSettings, ...] = ()


class RetentionSettings(Section):
    room_text_days: int = Field(default=7, ge=1)
    left_room_hours: int = Field(default=24, ge=0)


class HttpSettings(Section):
    host: str = "127.0.0.1"
    port: Port = 9010


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(Section):
    """The whole configuration file."""

    homeserver: HomeserverSettings = HomeserverSettings()
    appservice: AppserviceSettings = AppserviceSettings()
    database: DatabaseSettings = DatabaseSettings()
    engine: EngineSettings = EngineSettings()
    personas: PersonaSettings = PersonaSettings()
    access: AccessSettings = AccessSettings()
    rooms: RoomSettings = RoomSettings()
    budgets: BudgetsSettings = BudgetsSettings()
    tools: ToolsSettings = ToolsSettings()
    operator: OperatorSettings = OperatorSettings()
    admins: tuple[Annotated[str, AfterValidator(_user_id)], ...] = ()
    bots: Globs = ()
    retention: RetentionSettings = RetentionSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()

    def access_rules(self) -> Access:
        return Access(
            own_server=self.homeserver.server_name,
            invite=self.access.invite.rule(),
            ask=self.access.ask.rule(),
            max_invites_per_day=self.access.max_invites_per_day,
            max_rooms=self.access.max_rooms,
            max_members=self.access.max_members,
        )

    def all_budgets(self) -> Budgets:
        return Budgets(
            person=self.budgets.person.budget(),
            room=self.budgets.room.budget(),
            server=self.budgets.server.budget(),
            overrides=tuple((one.match, one.budget()) for one in self.budgets.overrides),
        )

    def limits(self) -> Limits:
        live = self.rooms.live
        prompt_tokens = self.engine.prompt_tokens()
        return Limits(
            answer_age_ms=self.rooms.answer_age_limit_s * 1000,
            burst_ms=round(self.rooms.burst_pause_s * 1000),
            typing_chars_per_s=self.rooms.typing_chars_per_s,
            ai_messages=self.rooms.ai_exchange_messages,
            window_messages=self.rooms.window_messages,
            # The same for all puppets: their prompts share what the server has read.
            prompt_tokens=prompt_tokens - self.tools.reserve(prompt_tokens),
            max_reply_tokens=self.engine.max_reply_tokens,
            temperature=self.engine.temperature,
            context_days=self.retention.room_text_days,
            live_after_ms=round(live.after_s * 1000) if live.mode == "auto" else None,
            live_every_ms=round(live.every_s * 1000),
        )

    def puppet_user_id(self, puppet_id: str) -> str:
        return f"@{self.appservice.puppet_prefix}{puppet_id}:{self.homeserver.server_name}"

    def bridge_user_id(self) -> str:
        return f"@{self.appservice.bridge_user}:{self.homeserver.server_name}"
