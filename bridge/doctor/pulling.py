"""Models that are missing are downloaded, where somebody says so: at a terminal, or by `--pull`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bridge.config_file import load
from bridge.doctor.engine import check_engine
from bridge.doctor.finding import Finding
from bridge.domain.cast import Cast
from bridge.endpoints import shelves
from bridge.engine.keeper import Keeper
from bridge.engine.models import SUGGESTED
from bridge.engine.progress import pull_shown
from bridge.errors import DiskFull, EngineError, LibraryUnreachable, ModelMissing
from bridge.house import build_cast
from bridge.settings import Settings

Ask = Callable[[str], bool]
"""Puts a question to the person at the terminal; only an explicit yes is True."""

_GOES_ON = "Then run this again: it goes on where it stopped."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lacking:
    url: str
    api_key: str
    server: str
    model: str


async def mend(
    config: Path,
    findings: Sequence[Finding],
    *,
    console: Console,
    ask: Ask | None,
    environ: Mapping[str, str] = os.environ,
) -> list[Finding]:
    """Download what is missing, each after a yes (`ask` None: after none); returns the findings, of
    which those of engines and models are new where anything was downloaded."""
    if not any(_is_of_models(finding) and finding.level == "fail" for finding in findings):
        return list(findings)
    settings = load(config, environ)
    cast = build_cast(settings)
    pulled = 0
    for lacking in await _lacking(settings, cast):
        size = _size(lacking.model)
        question = f"{lacking.server} has no model {lacking.model}. Download it ({size})?"
        if ask is None or ask(question):
            pulled += await _pull(lacking, console)
    if not pulled:
        return list(findings)
    others = [f for f in findings if not _is_of_models(f) and not _is_of(f, "engine")]
    return [*others, *await check_engine(settings.engine, cast)]


async def _pull(lacking: _Lacking, console: Console) -> bool:
    try:
        await pull_shown(lacking.url, lacking.model, console, lacking.api_key)
    except EngineError as error:
        console.print(f"{lacking.model} could not be downloaded: {error}", markup=False)
        console.print(_advice(error), markup=False)
        return False
    return True


def _advice(error: EngineError) -> str:
    """Who can mend it, and how."""
    match error:
        case ModelMissing():
            return "Correct its name in the configuration."
        case DiskFull():
            return f"Make room on the disk of the model server. {_GOES_ON}"
        case LibraryUnreachable():
            return f"See to the network of the model server. {_GOES_ON}"
        case _:
            return f"Look into Ollama's log. {_GOES_ON}"


async def _lacking(settings: Settings, cast: Cast) -> list[_Lacking]:
    """What is named, and missing on an Ollama that answers; where none is named and there is none,
    the one that we suggest."""
    made = {shelf.name: shelf for shelf in shelves(settings.engine, cast)}
    return [
        _Lacking(
            url=made[stock.wanted.server].url,
            api_key=made[stock.wanted.server].api_key,
            server=stock.wanted.server,
            model=stock.model or SUGGESTED.name,
        )
        for stock in await Keeper(tuple(made.values())).stock()
        if stock.state == "missing" and stock.wanted.can_be_pulled
    ]


def _size(model: str) -> str:
    is_known = model == SUGGESTED.name
    return f"about {SUGGESTED.size_bytes / 1e9:.1f} GB" if is_known else "its size shows at once"


def _is_of_models(finding: Finding) -> bool:
    return _is_of(finding, "models")


def _is_of(finding: Finding, name: str) -> bool:
    """Also of a further endpoint: `models 2`."""
    return finding.name.partition(" ")[0] == name
