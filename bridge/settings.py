"""The operator's configuration: every key, its default and its bounds.

`config/example.yaml` explains each key to operators; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bridge.domain.access import Access, Limits, Rule

Port = Annotated[int, Field(ge=0, le=65535)]
Globs = tuple[str, ...]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HomeserverSettings(Section):
    url: str = "http://localhost:8008"
    server_name: str = "example.org"


class AppserviceSettings(Section):
    registration: Path = Path("registration.yaml")
    listen_host: str = "127.0.0.1"
    listen_port: Port = 9009
    url: str = "http://localhost:9009"
    puppet_prefix: str = Field(default="ai_", pattern=r"^[a-z0-9._=/+-]*$")
    bridge_user: str = Field(default="aibridge", pattern=r"^[a-z0-9._=/+-]+$")


class DatabaseSettings(Section):
    url: str = "sqlite:bridge.db"


class EngineSettings(Section):
    kind: Literal["ollama", "demo"] = "ollama"
    url: str = "http://localhost:11434"
    api_key: SecretStr = SecretStr("")
    model: str = ""
    num_ctx: int = Field(default=8192, ge=1024)
    max_reply_tokens: int = Field(default=400, ge=16, le=8192)
    temperature: float = Field(default=0.8, ge=0, le=2)
    keep_alive: str = "30m"
    first_token_timeout_s: float = Field(default=120, gt=0)
    stall_timeout_s: float = Field(default=30, gt=0)


class PersonaSettings(Section):
    folder: Path | None = None
    """None: the personas that come with the program."""
    enabled: tuple[str, ...] = ("luna",)
    display_name: str = Field(default="{name} (AI)", pattern=r".*\{name\}.*")


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


class RoomSettings(Section):
    answer_age_limit_s: int = Field(default=600, ge=10)
    language: str = "en"
    command_prefix: str = Field(default="!ai", min_length=1, max_length=16)
    window_messages: int = Field(default=60, ge=4, le=1000)


class OperatorSettings(Section):
    name: str = ""
    contact: str = ""


class RetentionSettings(Section):
    room_text_days: int = Field(default=7, ge=1)


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
    operator: OperatorSettings = OperatorSettings()
    admins: tuple[str, ...] = ()
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

    def limits(self) -> Limits:
        return Limits(
            answer_age_ms=self.rooms.answer_age_limit_s * 1000,
            window_messages=self.rooms.window_messages,
            prompt_tokens=self.engine.num_ctx - self.engine.max_reply_tokens - 64,
            max_reply_tokens=self.engine.max_reply_tokens,
            context_days=self.retention.room_text_days,
        )

    def puppet_user_id(self, puppet_id: str) -> str:
        return f"@{self.appservice.puppet_prefix}{puppet_id}:{self.homeserver.server_name}"

    def bridge_user_id(self) -> str:
        return f"@{self.appservice.bridge_user}:{self.homeserver.server_name}"
