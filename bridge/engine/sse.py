"""Bytes of a stream of server-sent events into their data, however the network cuts them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bridge.errors import EngineBroken

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class Events:
    """Collects bytes and gives the data of each complete event. Comments and other fields are
    skipped (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    Not in that specification: some builds of llama.cpp tell an error in a field `error`. Its value
    is given here as the `error` of an object."""

    def __init__(self) -> None:
        self._pending = b""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[str]:
        """The events that `piece` completes. Raises EngineBroken for one without end."""
        self._pending += piece
        # A carriage return at the end may be half of a line end.
        half = self._pending.endswith(b"\r")
        *lines, rest = _LINE_END.split(self._pending[:-1] if half else self._pending)
        self._pending = rest + b"\r" if half else rest
        for line in lines:
            yield from self._line(line)
        if len(self._pending) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise EngineBroken("The engine sent an event without end.")

    def rest(self) -> Iterator[str]:
        """The last event, where nothing ended it."""
        last, self._pending = self._pending.removesuffix(b"\r"), b""
        yield from self._line(last)
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[str]:
        if not line:
            if self._data:
                yield "\n".join(self._data)
                self._data = []
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif field == b"error":
            self._data.append(f'{{"error": {value.decode("utf-8", "replace")}}}')
