"""A conversation file: its format, read strictly. docs/scenarios.md explains it to people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bridge.domain.persona import Talkativeness
from bridge.errors import ScenarioError

Number = int
"""Messages are numbered from 1."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RoomPart(Part):
    kind: Literal["group", "dm"] = "group"
    level: Talkativeness = "reply-only"
    public: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)


class PersonPart(Part):
    name: str
    server: str = "home.example"
    power: int = 0
    display: str = ""


class PuppetPart(Part):
    name: str
    aliases: tuple[str, ...] = ()


class MessagePart(Part):
    at: float = Field(ge=0)
    sender: str = Field(alias="from")
    text: str = ""
    mentions: tuple[str, ...] = ()
    reply_to: Number | str | None = None
    thread: Number | None = None
    edit_of: Number | None = None
    redacts: Number | None = None
    react: str = ""
    to: Number | str | None = None
    notice: bool = False
    image: str = ""
    command: bool = False
    late_s: float = Field(default=0, ge=0)
    event: Literal["join", "leave", "kick", "ban", "unban", "power"] | None = None
    of: str = ""
    power: int = 0
    restart: bool | Literal["during"] = False

    @model_validator(mode="after")
    def _does_one_thing(self) -> MessagePart:
        done = (self.text, self.redacts, self.react, self.image, self.event)
        if sum(1 for what in done if what) != 1:
            raise ValueError("a message has exactly one of text, redacts, react, image, event")
        if self.react and self.to is None:
            raise ValueError("`react` needs `to`: the number of a message, or a puppet's name")
        if self.event and not self.of:
            raise ValueError("`event` needs `of`: whose membership or power changes")
        return self

    @property
    def arrives_at(self) -> float:
        return self.at + self.late_s


class Bounds(Part):
    min: int = 0
    max: int | None = None

    def hold(self, count: int) -> bool:
        return self.min <= count and (self.max is None or count <= self.max)

    def __str__(self) -> str:
        return f"at least {self.min}" + ("" if self.max is None else f" and at most {self.max}")


class Wording(Part):
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class Expected(Part):
    """One expected answer: a text message, or a reaction."""

    puppet: str
    kind: Literal["text", "reaction"] = "text"


def _as_expected(value: object) -> object:
    match value:
        case str():
            return {"puppet": value}
        case dict() if len(value) == 1:
            puppet, kind = next(iter(value.items()))
            return {"puppet": puppet, "kind": kind}
        case _:
            return value


class ExpectPart(Part):
    answers: dict[
        Number, tuple[Annotated[Expected, BeforeValidator(_as_expected)], ...] | Literal["none"]
    ] = Field(default_factory=dict)
    reasons: dict[Number, str] = Field(default_factory=dict)
    ai_messages: Bounds | None = None
    asked_model: Bounds | None = None
    text: dict[Number, Wording] = Field(default_factory=dict)
    prompt: dict[Number, Wording] = Field(default_factory=dict)


def _as_named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class Scenario(Part):
    """A conversation and what should come of it."""

    name: str
    needs: int = 1
    room: RoomPart = RoomPart()
    start: AwareDatetime | None = None
    people: tuple[Annotated[PersonPart, BeforeValidator(_as_named)], ...] = Field(min_length=1)
    puppets: tuple[Annotated[PuppetPart, BeforeValidator(_as_named)], ...] = Field(min_length=1)
    bots: tuple[str, ...] = ()
    gate: dict[str, float] = Field(default_factory=dict)
    says: dict[str, list[str]] = Field(default_factory=dict)
    engine: dict[Number, Literal["up", "down", "slow"]] = Field(default_factory=dict)
    messages: tuple[MessagePart, ...] = Field(min_length=1)
    until: float | None = Field(default=None, ge=0)
    expect: ExpectPart = ExpectPart()

    @model_validator(mode="after")
    def _names_only_what_exists(self) -> Scenario:
        known = {p.name for p in self.people} | {p.name for p in self.puppets} | set(self.bots)
        for number, message in enumerate(self.messages, start=1):
            named = {message.sender, *message.mentions} | ({message.of} if message.of else set())
            if unknown := named - known - {"@room"}:
                raise ValueError(f"message {number} names {sorted(unknown)}, who is not there")
            for key in ("reply_to", "thread", "edit_of", "redacts", "to"):
                target = getattr(message, key)
                if isinstance(target, int) and not 1 <= target <= len(self.messages):
                    raise ValueError(f"message {number}: `{key}: {target}` is no message")
        return self


def load(path: Path) -> Scenario:
    """Read a conversation file.

    Raises ScenarioError naming path, line and what is wrong; an unknown key is an error.
    """
    try:
        tree: Any = YAML().load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{path}:{line}: {error.problem}") from error
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ScenarioError(f"{path}:1: cannot be read: {error}") from error
    if not isinstance(tree, dict):
        raise ScenarioError(f"{path}:1: not a conversation: it needs name, people, messages, …")
    try:
        return Scenario.model_validate(tree)
    except ValidationError as error:
        problems = [
            f"{path}:{_line_of(tree, problem['loc'])}: "
            f"{'.'.join(str(step) for step in problem['loc']) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ScenarioError("\n".join(problems)) from error


def _line_of(tree: object, location: tuple[int | str, ...]) -> int:
    """The line of the deepest part of the file that the location leads to."""
    line = 1
    for step in location:
        if not isinstance(tree, CommentedBase) or not isinstance(tree, dict | list):
            break
        try:
            position = tree.lc.item(step) if isinstance(tree, list) else tree.lc.key(step)
            tree = tree[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            break
        line = position[0] + 1
    return line
