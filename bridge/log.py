"""Structured logs: an event name and key/values. Never room text, prompts or tokens.

Libraries stay at WARNING whatever the level: mautrix logs whole requests at DEBUG, text included.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, Literal, TextIO

import structlog

_OURS: Final = "bridge"


def configure(
    level: str = "info", fmt: Literal["console", "json"] = "console", stream: TextIO | None = None
) -> None:
    """Send all logs, ours and the libraries', to stderr in one format."""
    renderer = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=stream is None and sys.stderr.isatty())
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())


def get(area: str) -> structlog.stdlib.BoundLogger:
    """The logger of one area: `rooms.actor`, `store.mailbox`, …"""
    return structlog.stdlib.get_logger(f"{_OURS}.{area}")
