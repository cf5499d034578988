"""Characters that a server cut in two."""

from __future__ import annotations


class Surrogates:
    """Joins halves of a character that a server escaped into two chunks; replaces lone ones."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        text = self._half + text
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return _encodable(text[: len(text) - len(self._half)])

    def finish(self) -> str:
        half, self._half = self._half, ""
        return _encodable(half)


def _encodable(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
