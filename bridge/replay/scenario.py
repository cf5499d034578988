"""A conversation file: its format, read strictly. docs/scenarios.md explains it to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, cast

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
from bridge.engine.scripted_keeper import SERVER, Failure, ScriptedModel
from bridge.errors import ScenarioError
from bridge.policy.gate import REACTIONS

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


class ModelPart(Part):
    """A model that the configuration names."""

    name: str
    there: bool = True
    server: str = SERVER
    ollama: bool = True
    pull_s: float = Field(default=0, ge=0)
    fails: Failure = ""

    def scripted(self) -> ScriptedModel:
        return ScriptedModel(
            name=self.name,
            is_there=self.there,
            server=self.server,
            can_be_pulled=self.ollama,
            pull_s=self.pull_s,
            fails=self.fails,
        )


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
    admins: tuple[str, ...] = ()
    models: tuple[Annotated[ModelPart, BeforeValidator(_as_named)], ...] = ()
    gate: dict[str, float] = Field(default_factory=dict)
    says: dict[str, list[str]] = Field(default_factory=dict)
    engine: dict[Number, Literal["up", "down", "slow"]] = Field(default_factory=dict)
    messages: tuple[MessagePart, ...] = Field(min_length=1)
    until: float | None = Field(default=None, ge=0)
    expect: ExpectPart = ExpectPart()


Location = tuple[int | str, ...]


def _problems_of(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Where the parts of a conversation don't fit together."""
    puppets = {p.name for p in scenario.puppets}
    known = {p.name for p in scenario.people} | puppets | set(scenario.bots)
    for index, message in enumerate(scenario.messages):
        named = {message.sender, *message.mentions} | ({message.of} if message.of else set[str]())
        for name in sorted(named - known - {"@room"}):
            yield ("messages", index), f"{name} is not there"
        for key in ("reply_to", "thread", "edit_of", "redacts", "to"):
            if problem := _problem_of_target(scenario, index, getattr(message, key), puppets):
                yield ("messages", index, key), problem
    for where, number in _numbers_in(scenario):
        if not 1 <= number <= len(scenario.messages):
            yield where, "there is no such message"
    for where, name in _puppets_in(scenario):
        if name not in puppets:
            yield where, f"{name} is no puppet"


def _numbers_in(scenario: Scenario) -> Iterator[tuple[Location, int]]:
    for key in ("answers", "reasons", "text", "prompt"):
        for number in getattr(scenario.expect, key):
            yield ("expect", key, number), number
    for number in scenario.engine:
        yield ("engine", number), number


def _puppets_in(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    for number, answers in scenario.expect.answers.items():
        for expected in answers if isinstance(answers, tuple) else ():
            yield ("expect", "answers", number), expected.puppet
    for name in scenario.says:
        yield ("says", name), name
    for name in scenario.gate:
        if name not in REACTIONS:
            yield ("gate", name), name


def _problem_of_target(
    scenario: Scenario, index: int, target: int | str | None, puppets: set[str]
) -> str | None:
    match target:
        case None:
            return None
        case str():
            return None if target in puppets else f"{target} is no puppet"
        case _ if not 1 <= target <= len(scenario.messages):
            return f"{target} is no message"
        case _:
            theirs, ours = scenario.messages[target - 1], scenario.messages[index]
            has_come = (theirs.arrives_at, target - 1) < (ours.arrives_at, index)
            return None if has_come else f"message {target} has not come yet"


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
        scenario = Scenario.model_validate(tree)
    except ValidationError as error:
        problems = [(problem["loc"], problem["msg"]) for problem in error.errors()]
        raise ScenarioError(_sentences(path, tree, problems)) from error
    if found := list(_problems_of(scenario)):
        raise ScenarioError(_sentences(path, tree, found))
    return scenario


def _sentences(path: Path, tree: object, problems: Iterable[tuple[Location, str]]) -> str:
    return "\n".join(
        f"{path}:{_line_of(tree, where)}: {'.'.join(map(str, where)) or 'file'}: {what}"
        for where, what in problems
    )


def _line_of(tree: object, location: tuple[int | str, ...]) -> int:
    """The line of the deepest part of the file that the location leads to."""
    line = 1
    for step in location:
        if not isinstance(tree, CommentedBase) or not isinstance(tree, dict | list):
            break
        try:
            position = tree.lc.item(step) if isinstance(tree, list) else tree.lc.key(step)
            tree = cast(Any, tree)[step]
        except (KeyError, IndexError, TypeError):
            break
        line = position[0] + 1
    return line
