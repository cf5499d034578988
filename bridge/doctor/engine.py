"""Checks of what replies come from: engine reachable, models present and what they can do."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.doctor.finding import Finding, fail, ok, skip, warn
from bridge.domain.cast import Cast
from bridge.engine import models
from bridge.engine.models import ModelDescription, ModelInfo
from bridge.errors import EngineError, ModelMissing
from bridge.settings import EngineSettings

_ENGINE = "engine"
_MODELS = "models"


async def check_engine(settings: EngineSettings, cast: Cast) -> list[Finding]:
    """Findings `engine` and `models`."""
    if settings.kind == "demo":
        return [
            warn(
                _ENGINE,
                "The demo engine answers: a small rule-based responder, no AI model.",
                "Set engine.kind to ollama when you have one.",
            )
        ]
    key = settings.api_key.get_secret_value()
    try:
        version = await models.version(settings.url, key)
    except EngineError as error:
        return [
            fail(
                _ENGINE,
                str(error),
                "Start Ollama (`ollama serve`), or correct engine.url and engine.api_key.",
            ),
            skip(_MODELS, "an engine"),
        ]
    found = [ok(_ENGINE, f"Ollama {version} answers at {settings.url}.")]
    try:
        return [*found, await _check_models(settings, cast, key)]
    except ModelMissing as error:
        return [*found, fail(_MODELS, str(error), _other_model(cast))]
    except EngineError as error:
        return [*found, fail(_MODELS, str(error), "Look into Ollama's log.")]


async def _check_models(settings: EngineSettings, cast: Cast, key: str) -> Finding:
    known = await models.chat_models(settings.url, key)
    choice = models.choose(known, settings.model)
    names = [choice.model, *(p.persona.model for p in cast.personas() if p.persona.model)]
    chosen = [models.choose(known, name).model for name in dict.fromkeys(names)]
    described = [await models.describe(settings.url, name, key) for name in chosen]
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


def _other_model(cast: Cast) -> str:
    own = sorted({p.persona.model for p in cast.personas() if p.persona.model})
    where = "engine.model" + (f" or the personas that name {', '.join(own)}" if own else "")
    return f"Pull it, or change {where}."
