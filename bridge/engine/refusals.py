"""What servers with the chat completions API say when they refuse a call, as errors of ours."""

from __future__ import annotations

import re
from typing import Final

from bridge.errors import (
    ContextTooLong,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    ModelMissing,
)

_OVERFLOW: Final = re.compile(
    r"(exceed|longer than|too long|larger than|greater than).*(context|token|model length)"
    r"|(context|token).*(exceed|too (long|large|many)|overflow)|maximum context length"
    r"|(prompt|input) (is )?too (long|large)|n_ctx|reduce the length"
    # What older vLLMs are left with once the prompt has filled the window.
    r"|max_tokens must be at least 1, got -",
    re.IGNORECASE,
)
_MISSING: Final = re.compile(
    r"model\b.{0,200}\b(not (be )?found|does not exist|doesn't exist|is not loaded|not available)"
    r"|no models?\b.{0,40}\bloaded|(invalid|unknown) model|not a valid model|model_not_found"
    r"|does not support chat",
    re.IGNORECASE | re.DOTALL,
)


def is_overflow(problem: str) -> bool:
    """Is the prompt too long for the model's window?"""
    return bool(_OVERFLOW.search(problem))


def refusal(name: str, status: int, problem: str, *, shown: str, model: str) -> EngineError:
    """The error behind an answer that is not 200. `problem` is what the server says, `shown` what
    of it may be told. A plain EngineBroken is one whose reason is not known."""
    said = f"{name} answered {status}: {shown or 'no reason given'}"
    if status in (400, 413, 422, 500) and is_overflow(problem):
        return ContextTooLong(said)
    if _is_missing(status, problem):
        return ModelMissing(f"{name} has no model {model!r} that can chat: {shown}", model=model)
    match status:
        case 401 | 403:
            return EngineUnreachable(f"{said}. Check engine.api_key.")
        case 429 | 502 | 503:
            return EngineUnreachable(said)
        case 408 | 504:
            return EngineTimeout(said)
        case 404 | 405:
            return EngineBroken(f"{said}. There is no chat completions API at this address.")
        case _ if 300 <= status < 400:
            return EngineBroken(f"{said}. It redirects; set engine.url to the final address.")
        case _:
            return EngineBroken(said)


def _is_missing(status: int, problem: str) -> bool:
    if status == 404:
        return "model" in problem.lower()
    return status in (400, 422) and bool(_MISSING.search(problem))
