"""Keeps calls away from a server that fails, and lets one through now and then to see."""

from __future__ import annotations

from typing import Final

FAILURES: Final = 3
"""In a row."""
FIRST_S: Final = 10.0
LONGEST_S: Final = 300.0


class Breaker:
    """Closed: calls go through. Open: none do, for a time that doubles. Then one is let through,
    and its outcome closes or opens again. Instants are monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_s = FIRST_S
        self._until_s = 0.0
        self._is_open = False
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        return self._is_open

    def allows(self, now_s: float) -> bool:
        """May a call go through? Changes nothing."""
        return not self._is_open or (now_s >= self._until_s and not self._is_trying)

    def begin(self) -> None:
        """A call goes through."""
        self._is_trying = self._is_open

    def succeed(self) -> None:
        self._failures = 0
        self._open_s = FIRST_S
        self._is_open = self._is_trying = False

    def fail(self, now_s: float) -> bool:
        """Returns whether this opened it."""
        self._failures += 1
        was_trying, self._is_trying = self._is_trying, False
        if self._is_open and was_trying:
            self._open_s = min(LONGEST_S, 2 * self._open_s)
        elif self._is_open or self._failures < FAILURES:
            return False
        self._is_open = True
        self._until_s = now_s + self._open_s
        return True

    def give_up(self) -> None:
        """The call ended without saying anything about the server."""
        self._is_trying = False
