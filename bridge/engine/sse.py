"""Bytes of a stream of server-sent events into their data, however the network cuts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.errors import EngineBroken

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024


class Events:
    """Collects bytes and gives the data of each complete event. Comments and other fields are
    skipped (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[str]:
        """The events that `piece` completes. Raises EngineBroken for one without end."""
        self._pending += piece
        *lines, rest = bytes(self._pending).replace(b"\r\n", b"\n").split(b"\n")
        self._pending = bytearray(rest)
        for line in lines:
            yield from self._line(line)
        if len(self._pending) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise EngineBroken("The engine sent an event without end.")

    def rest(self) -> Iterator[str]:
        """The last event, where nothing ended it."""
        last = bytes(self._pending)
        self._pending.clear()
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
