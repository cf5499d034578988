"""Checks of what replies come from: engines reachable, models present and what they can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from bridge.doctor.finding import Finding, fail, ok, skip, warn
from bridge.domain.cast import Cast
from bridge.endpoints import shelves
from bridge.engine import models
from bridge.engine.address import ollama_host
from bridge.engine.keeper import Keeper
from bridge.engine.models import ModelDescription, ModelInfo
from bridge.engine.openai import OpenAIEngine, base_of
from bridge.errors import EngineError, ModelMissing
from bridge.settings import EndpointSettings, EngineSettings

_ENGINE = "engine"
_MODELS = "models"


async def check_engine(settings: EngineSettings, cast: Cast) -> list[Finding]:
    """Findings `engine` and `models`; of further endpoints `engine 2`, `models 2` and so on."""
    found: list[Finding] = []
    for number, server in enumerate(settings.servers(), start=1):
        for finding in await _check_server(server, settings, cast):
            name = finding.name if number == 1 else f"{finding.name} {number}"
            found.append(replace(finding, name=name))
    lost = await _lost(settings, cast)
    return [lost if lost and _may_give_way(finding) else finding for finding in found]


def _may_give_way(finding: Finding) -> bool:
    return finding.name == _MODELS and finding.level in ("ok", "warn")


async def _lost(settings: EngineSettings, cast: Cast) -> Finding | None:
    """A model of a purpose beside replying that no server has: one is enough for those."""
    keys = {"gate": "gate_model", "summary": "summary_model", "vision": "vision_model"}
    if not any(getattr(settings, key) for key in keys.values()):
        return None
    stock = await Keeper(shelves(settings, cast)).stock()
    for purpose, key in keys.items():
        meant = [each for each in stock if purpose in each.wanted.purposes]
        if meant and all(each.state == "missing" for each in meant):
            servers = ", ".join(dict.fromkeys(each.wanted.server for each in meant))
            return fail(
                _MODELS,
                f"engine.{key} is {meant[0].model}, which is missing on {servers}.",
                f"Load it there (`doctor --pull` does on an Ollama), or change engine.{key}.",
            )
    return None


async def _check_server(
    server: EndpointSettings, settings: EngineSettings, cast: Cast
) -> list[Finding]:
    match server.kind:
        case "demo":
            return [
                warn(
                    _ENGINE,
                    "The demo engine answers: a small rule-based responder, no AI model.",
                    "Set engine.kind to ollama when you have one.",
                )
            ]
        case "openai":
            return await _check_openai(server, cast)
        case "ollama":
            return await _check_ollama(server, settings, cast)
        case _:
            assert_never(server.kind)


async def _check_openai(server: EndpointSettings, cast: Cast) -> list[Finding]:
    engine = OpenAIEngine(server.url, api_key=server.api_key.get_secret_value())
    try:
        known = await engine.models()
    except EngineError as error:
        fix = "Start the server, or correct the url and api_key of this engine."
        return [fail(_ENGINE, str(error), fix), skip(_MODELS, "an engine")]
    finally:
        await engine.close()
    found = [ok(_ENGINE, f"A chat completions API answers at {base_of(server.url)}.")]
    wanted = [server.model, *(p.persona.model for p in cast.personas())]
    missing = [name for name in dict.fromkeys(wanted) if name and name not in known]
    if server.models:
        missing = [name for name in missing if name in server.models]
    if missing or not known:
        what = f"The server has no model {missing[0]!r}" if missing else "The server has no model"
        sentence = f"{what}. It lists: {', '.join(known) or 'none'}."
        return [*found, fail(_MODELS, sentence, f"Load it there, or {_change(cast)}.")]
    chosen = server.model or known[0]
    return [*found, ok(_MODELS, f"{chosen} replies, of: {', '.join(known)}.")]


async def _check_ollama(
    server: EndpointSettings, settings: EngineSettings, cast: Cast
) -> list[Finding]:
    key = server.api_key.get_secret_value()
    try:
        version = await models.version(server.url, key)
    except EngineError as error:
        return [
            fail(
                _ENGINE,
                str(error),
                "Start Ollama (`ollama serve`), or correct engine.url and engine.api_key.",
            ),
            skip(_MODELS, "an engine"),
        ]
    found = [ok(_ENGINE, f"Ollama {version} answers at {ollama_host(server.url)}.")]
    try:
        return [*found, await _check_models(server, settings, cast)]
    except ModelMissing as error:
        return [
            *found,
            fail(_MODELS, str(error), f"Pull it (`doctor --pull` does), or {_change(cast)}."),
        ]
    except EngineError as error:
        return [*found, fail(_MODELS, str(error), "Look into Ollama's log.")]


async def _check_models(server: EndpointSettings, settings: EngineSettings, cast: Cast) -> Finding:
    key = server.api_key.get_secret_value()
    known = await models.chat_models(server.url, key)
    choice = models.choose(known, server.model)
    own = [p.persona.model for p in cast.personas() if p.persona.model]
    if server.models:
        own = [name for name in server.models if name in own]
    names = [choice.model, *own]
    chosen = [models.choose(known, name).model for name in dict.fromkeys(names)]
    described = [await models.describe(server.url, name, key) for name in chosen]
    if problem := _problem(described, settings):
        return problem
    told = "; ".join(_told(model) for model in described)
    return ok(_MODELS, f"{told}. {choice.model} replies: {choice.reason}.")


def _problem(described: Sequence[ModelDescription], settings: EngineSettings) -> Finding | None:
    for model in described:
        name = model.info.name
        if model.info.is_remote:
            return warn(
                _MODELS,
                f"{name} runs at its vendor's: the text of your rooms leaves your machines.",
                "Choose a model of your own in engine.model, if that is not meant.",
            )
        if 0 < model.max_ctx < settings.num_ctx:
            return warn(
                _MODELS,
                f"{name} reads at most {model.max_ctx} tokens, but engine.num_ctx is "
                f"{settings.num_ctx}: what is beyond is cut off.",
                f"Set engine.num_ctx to {model.max_ctx}, or choose another model.",
            )
    return None


def _told(model: ModelDescription) -> str:
    info = model.info
    facts = [info.parameter_size, model.quantization, _size(info)]
    if model.max_ctx:
        facts.append(f"reads up to {model.max_ctx} tokens")
    if info.capabilities:
        facts.append(f"can do {', '.join(info.capabilities)}")
    return f"{info.name} ({', '.join(fact for fact in facts if fact)})"


def _size(info: ModelInfo) -> str:
    return f"{info.size_bytes / 1e9:.1f} GB" if info.size_bytes else ""


def _change(cast: Cast) -> str:
    own = sorted({p.persona.model for p in cast.personas() if p.persona.model})
    where = "engine.model" + (f" or the personas that name {', '.join(own)}" if own else "")
    return f"change {where}"
