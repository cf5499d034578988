"""Models of tests and `replay`: some are there, some are not, and pulling takes as long as told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from bridge.clock import Clock
from bridge.domain.model import PullProgress, Stock, Wanted
from bridge.errors import (
    DiskFull,
    EngineBroken,
    EngineError,
    EngineUnreachable,
    LibraryUnreachable,
    ModelMissing,
)

SERVER: Final = "http://models.example:11434"
Failure = Literal["", "disk", "network", "name", "away", "broken"]
_PARTS: Final = 20


@dataclass(slots=True, kw_only=True)
class ScriptedModel:
    """`pull_s`: how long getting it takes. `fails`: what comes of that instead, in the middle."""

    name: str
    is_there: bool = True
    purposes: tuple[str, ...] = ("reply",)
    can_be_pulled: bool = True
    size_bytes: int = 3_300_000_000
    pull_s: float = 0.0
    fails: Failure = ""
    server: str = SERVER
    got_bytes: int = 0
    """Of a pull that stopped: the next goes on there."""


@dataclass(slots=True, kw_only=True)
class ScriptedKeeper:
    """Satisfies `bridge.ports.ModelKeeper`. `pulls`: what was asked for."""

    clock: Clock
    models: list[ScriptedModel] = field(default_factory=list[ScriptedModel])
    pulls: list[str] = field(default_factory=list[str])

    def wanted(self) -> Sequence[Wanted]:
        return [
            Wanted(
                server=model.server,
                model=model.name,
                purposes=model.purposes,
                can_be_pulled=model.can_be_pulled,
            )
            for model in self.models
        ]

    async def stock(self) -> Sequence[Stock]:
        return [
            Stock(
                wanted=wanted,
                model=model.name,
                state="unknown" if model.fails == "away" else _state(model),
                is_loaded=model.is_there and model.fails != "away",
                size_bytes=model.size_bytes if model.is_there and model.fails != "away" else 0,
            )
            for wanted, model in zip(self.wanted(), self.models, strict=True)
        ]

    async def has(self, server: str, model: str) -> bool:
        found = self._model(server, model)
        if found.fails == "away":
            raise _failure(found)
        return found.is_there

    async def pull(self, server: str, model: str) -> AsyncGenerator[PullProgress, None]:
        self.pulls.append(model)
        found = self._model(server, model)
        yield PullProgress(status="pulling manifest")
        for part in range(_PARTS):
            upto = found.size_bytes * (part + 1) // _PARTS
            if upto <= found.got_bytes:
                continue
            if found.fails and part >= _PARTS // 2:
                raise _failure(found)
            yield PullProgress(
                status="pulling", done_bytes=found.got_bytes, total_bytes=found.size_bytes
            )
            await self.clock.sleep(found.pull_s / _PARTS)
            found.got_bytes = upto
        found.is_there = True
        yield PullProgress(
            status="success", done_bytes=found.size_bytes, total_bytes=found.size_bytes,
            is_done=True,
        )  # fmt: skip

    def lacking(self, purpose: str) -> ModelMissing | None:
        """What an engine says that should use a model for this, where there is none."""
        for model in self.models:
            if purpose in model.purposes and not model.is_there:
                problem = f"There is no model {model.name!r}."
                return ModelMissing(problem, server=model.server, model=model.name)
        return None

    def _model(self, server: str, name: str) -> ScriptedModel:
        return next(each for each in self.models if (each.server, each.name) == (server, name))


def _state(model: ScriptedModel) -> Literal["there", "missing"]:
    return "there" if model.is_there else "missing"


def _failure(model: ScriptedModel) -> EngineError:
    match model.fails:
        case "disk":
            return DiskFull("There is no space left.")
        case "network":
            return LibraryUnreachable("The library does not answer.")
        case "name":
            return ModelMissing("There is no such model.")
        case "away":
            return EngineUnreachable("Nothing answers.")
        case _:
            return EngineBroken("The stream ended.")
