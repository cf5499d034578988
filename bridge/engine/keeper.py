"""The models that the configuration names, on their servers: what is there, and getting the rest.

Nothing else is ever downloaded, whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from bridge.domain.model import PullProgress, Stock, Wanted, is_same_model
from bridge.engine import models
from bridge.errors import EngineError, ModelMissing

Listing = Callable[[], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A server and what should be on it. `listing`: names its models, where it is no Ollama."""

    name: str
    wanted: tuple[Wanted, ...]
    url: str = ""
    api_key: str = ""
    listing: Listing | None = None


class Keeper:
    """Satisfies `bridge.ports.ModelKeeper`. `on_pulled` is called with server and model when a
    download has ended well."""

    def __init__(self, shelves: Sequence[Shelf] = ()) -> None:
        self._shelves = tuple(shelves)
        self.on_pulled: Callable[[str, str], None] | None = None

    def replace(self, shelves: Sequence[Shelf]) -> None:
        """Keep these from now on."""
        self._shelves = tuple(shelves)

    def wanted(self) -> Sequence[Wanted]:
        return [each for shelf in self._shelves for each in shelf.wanted]

    async def stock(self) -> Sequence[Stock]:
        """See `ports.ModelKeeper`. All servers are asked at once."""
        found = await asyncio.gather(*(_stock(shelf) for shelf in self._shelves))
        return [each for stock in found for each in stock]

    async def has(self, server: str, model: str) -> bool:
        shelf = self._shelf(server, model)
        held = await models.inventory(shelf.url, shelf.api_key)
        return any(is_same_model(each.name, model) for each in held)

    async def pull(self, server: str, model: str) -> AsyncGenerator[PullProgress, None]:
        shelf = self._shelf(server, model)
        async with aclosing(models.pull(shelf.url, model, shelf.api_key)) as steps:
            async for step in steps:
                if step.is_done and self.on_pulled is not None:
                    self.on_pulled(server, model)
                yield step

    def _shelf(self, server: str, model: str) -> Shelf:
        """Raises EngineError where the configuration does not name this model there (any more)."""
        for shelf in self._shelves:
            for each in shelf.wanted:
                is_it = shelf.name == server and each.can_be_pulled and bool(each.model)
                if is_it and is_same_model(each.model, model):
                    return shelf
        raise EngineError(f"The configuration names no model {model!r} for {server}.")


def shelf_wanted(
    server: str, named: Sequence[tuple[str, str]], *, can_be_pulled: bool
) -> tuple[Wanted, ...]:
    """What should be on a server, of pairs of a purpose and a model; each model once."""
    found: list[Wanted] = []
    for purpose, model in named:
        index = next((n for n, w in enumerate(found) if _is_one(w.model, model)), None)
        if index is None:
            found.append(
                Wanted(server=server, model=model, purposes=(purpose,), can_be_pulled=can_be_pulled)
            )
        else:
            old = found[index]
            purposes = tuple(dict.fromkeys((*old.purposes, purpose)))
            found[index] = replace(old, purposes=purposes)
    return tuple(found)


def _is_one(model: str, other: str) -> bool:
    return model == other or bool(model and other and is_same_model(model, other))


async def _stock(shelf: Shelf) -> list[Stock]:
    try:
        if shelf.listing is not None:
            held = [models.Held(name=name) for name in await shelf.listing()]
        else:
            held = list(await models.inventory(shelf.url, shelf.api_key))
        return [await _stock_of(shelf, each, held) for each in shelf.wanted]
    except EngineError:
        return [Stock(wanted=each, model=each.model, state="unknown") for each in shelf.wanted]


async def _stock_of(shelf: Shelf, wanted: Wanted, held: Sequence[models.Held]) -> Stock:
    name = wanted.model or await _chosen(shelf, held)
    found = next((each for each in held if name and is_same_model(each.name, name)), None)
    if found is None:
        return Stock(wanted=wanted, model=name, state="missing")
    return Stock(
        wanted=wanted,
        model=name,
        state="there",
        is_loaded=found.is_loaded,
        size_bytes=found.size_bytes,
    )


async def _chosen(shelf: Shelf, held: Sequence[models.Held]) -> str:
    """What replies where the configuration names nothing. Raises EngineError."""
    if shelf.listing is not None:
        return held[0].name if held else ""
    try:
        return models.choose_model(await models.chat_models(shelf.url, shelf.api_key))
    except ModelMissing:
        return ""
