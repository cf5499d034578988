"""Which engine answers in the demo: an Ollama that is there, or, said plainly, the demo engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from bridge.engine import models
from bridge.engine.address import ollama_host
from bridge.engine.demo import LABEL
from bridge.engine.models import ModelInfo
from bridge.errors import EngineError, SetupError

Ask = Callable[[str], bool]
"""Puts a question to the person at the terminal; only an explicit yes is True."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """`label` is what answers; `reason` says why, in a sentence."""

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
    that was asked for is never replaced silently: raises SetupError.
    """
    url = ollama_host(environ.get("OLLAMA_HOST", ""))
    if not await models.probe(url):
        if wanted:
            raise SetupError(f"There is no Ollama at {url} to run {wanted}. Start it: ollama serve")
        return _demo(f"there is no Ollama at {url}")
    try:
        found = await models.chat_models(url)
    except EngineError as error:
        if wanted:
            raise SetupError(str(error)) from error
        return _demo(f"the Ollama at {url} does not list its models ({error})")
    if wanted and not any(_is_same(model.name, wanted) for model in found):
        return await _pull(url, wanted, 0, found, console=console, ask=ask, is_wanted=True)
    if not found:
        suggested = models.SUGGESTED
        return await _pull(
            url, suggested.name, suggested.size_bytes, found, console=console, ask=ask,
            is_wanted=False,
        )  # fmt: skip
    choice = models.choose(found, wanted)
    others = [model.name for model in found if model.name != choice.model]
    more = f"; also there: {', '.join(others)} (--model chooses)" if others else ""
    return EngineChoice(
        kind="ollama", label=choice.model, reason=choice.reason + more, url=url, model=choice.model
    )


async def _pull(
    url: str, name: str, size_bytes: int, found: Sequence[ModelInfo], *, console: Console,
    ask: Ask | None, is_wanted: bool,
) -> EngineChoice:  # fmt: skip
    """Offer to download a model. Without an explicit yes nothing is downloaded."""
    size = f" (about {size_bytes / 1e9:.1f} GB)" if size_bytes else ""
    there = f"It has {', '.join(model.name for model in found)}." if found else "It has none yet."
    if ask is None or not ask(f"Ollama at {url}: download the model {name}{size}? {there}"):
        if is_wanted:
            raise SetupError(
                f"The Ollama at {url} does not have the model {name}. Download it with "
                f"`ollama pull {name}`."
            )
        return _demo(f"the Ollama at {url} has no chat model (`ollama pull {name}` gets one)")
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        console=console, transient=True,
    )  # fmt: skip
    try:
        with bar:
            task = bar.add_task(f"Downloading {name}", total=None)
            async for step in models.pull(url, name):
                bar.update(
                    task, completed=step.done_bytes, total=step.total_bytes or None,
                    description=f"Downloading {name}: {step.status}"[:60],
                )  # fmt: skip
    except EngineError as error:
        raise SetupError(f"{name} could not be downloaded: {error}") from error
    return EngineChoice(kind="ollama", label=name, reason="just downloaded", url=url, model=name)


def _demo(reason: str) -> EngineChoice:
    return EngineChoice(kind="demo", label=LABEL, reason=reason)


def _is_same(name: str, wanted: str) -> bool:
    return name == wanted or name == f"{wanted}:latest"
