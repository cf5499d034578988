"""Which engine answers in the demo: an Ollama that is there, or, said plainly, the demo engine."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console

from bridge.engine import models
from bridge.engine.address import ollama_host
from bridge.engine.demo import LABEL
from bridge.engine.models import ModelInfo
from bridge.engine.progress import pull_shown
from bridge.errors import EngineError, ModelMissing, SetupError

Ask = Callable[[str], Awaitable[bool]]
"""Puts a question to the person at the terminal; only an explicit yes is True."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """`label` is what answers; `reason` says why."""

    kind: Literal["ollama", "demo"]
    label: str
    reason: str
    url: str = ""
    model: str = ""


async def choose_engine(
    wanted: str,
    *,
    console: Console,
    ask: Ask | None,
    environ: Mapping[str, str] = os.environ,
) -> EngineChoice:
    """An Ollama with a chat model, else the demo engine.

    `wanted` is the model asked for, or "". `ask` is None where nobody is at a terminal. A model
    that was asked for is never replaced by something else: raises SetupError.
    """
    url = ollama_host(environ.get("OLLAMA_HOST", ""))
    if not await models.probe(url):
        if wanted:
            raise SetupError(f"There is no Ollama at {url} to run {wanted}. Start it: ollama serve")
        return _demo(f"there is no Ollama at {url} (OLLAMA_HOST can name another place)")
    try:
        found = await models.chat_models(url)
    except EngineError as error:
        if wanted:
            raise SetupError(str(error)) from error
        return _demo(f"the Ollama at {url} does not list its models: {error}")
    try:
        choice = models.choose(found, wanted)
    except ModelMissing:
        return await _offer(url, wanted, found, console=console, ask=ask)
    others = [model.name for model in found if model.name != choice.model]
    more = f"; also there: {', '.join(others)} (--model chooses)" if others else ""
    return EngineChoice(
        kind="ollama", label=choice.model, reason=choice.reason + more, url=url, model=choice.model
    )


async def _offer(
    url: str, wanted: str, found: Sequence[ModelInfo], *, console: Console, ask: Ask | None
) -> EngineChoice:
    """Download a model after an explicit yes. Without one nothing is downloaded."""
    suggested = models.SUGGESTED
    name = wanted or suggested.name
    is_known = name == suggested.name
    size = f"about {suggested.size_bytes / 1e9:.1f} GB" if is_known else "its size shows at once"
    lacks = f"no model {wanted}" if wanted else "no chat model of its own"
    has = f" It has {', '.join(model.name for model in found)} (--model chooses)." if found else ""
    question = f"The Ollama at {url} has {lacks}.{has}\nDownload {name} ({size})?"
    if ask is None or not await ask(question):
        if wanted:
            raise SetupError(
                f"The Ollama at {url} has no model {wanted}.{has} Download it: ollama pull {wanted}"
            )
        return _demo(f"the Ollama at {url} has {lacks} (`ollama pull {name}` gets one)")
    await _pull(url, name, console)
    return EngineChoice(kind="ollama", label=name, reason="just downloaded", url=url, model=name)


async def _pull(url: str, name: str, console: Console) -> None:
    try:
        await pull_shown(url, name, console)
    except EngineError as error:
        raise SetupError(f"{name} could not be downloaded: {error}") from error


def _demo(reason: str) -> EngineChoice:
    return EngineChoice(kind="demo", label=LABEL, reason=reason)
