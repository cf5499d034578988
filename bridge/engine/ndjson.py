"""Bytes of a stream into its JSON objects, however the network cuts them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from bridge.errors import EngineBroken

MAX_LINE_BYTES = 4 * 1024 * 1024


class Lines:
    """Collects bytes and gives one object per complete line; blank lines are skipped."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, object]]:
        """Objects of the lines that `data` completes. Raises EngineBroken."""
        self._pending += data
        *complete, rest = self._pending.split(b"\n")
        self._pending = rest
        for line in complete:
            if line.strip():
                yield _parse(bytes(line))
        if len(self._pending) > MAX_LINE_BYTES:
            raise EngineBroken("The engine sent a line without end.")

    def rest(self) -> Iterator[dict[str, object]]:
        """The object of a last line that has no line end. Raises EngineBroken."""
        line = bytes(self._pending).strip()
        self._pending.clear()
        if line:
            yield _parse(line)


def _parse(line: bytes) -> dict[str, object]:
    try:
        value = cast("object", json.loads(line))
    except (ValueError, RecursionError):
        raise EngineBroken(
            "What answers at the engine's address does not speak Ollama's stream format."
        ) from None
    if not isinstance(value, dict):
        raise EngineBroken("The engine sent a line that is no JSON object.")
    return cast("dict[str, object]", value)
