"""Is the time of day in a room one to join in?"""

from __future__ import annotations

from typing import Final

from bridge.policy.view import House, View

SOCIABLE: Final = 0.04
SLEEPY: Final = -0.1
_EVENING: Final = (17 * 60, 22 * 60)
_NIGHT: Final = (23 * 60, 7 * 60)


def zone_named(house: House, typed: str) -> str | None:
    """The IANA name of a time zone, however its letters are written: "europe/berlin"."""
    wanted = typed.casefold().replace(" ", "_")
    return next((name for name in house.time_zones if name.casefold() == wanted), None)


def zone_of(view: View) -> str:
    """The room's time zone, or else the operator's."""
    return view.room.settings.timezone or view.house.time_zone


def is_quiet_hour(view: View) -> bool:
    """Is it within the room's quiet hours?"""
    quiet = view.room.settings.quiet
    return quiet is not None and _is_within(view.minute_of_day, quiet)


def mood(view: View) -> float:
    """What to add to a score: people chat in the evening, at night they rather sleep."""
    if _is_within(view.minute_of_day, _EVENING):
        return SOCIABLE
    return SLEEPY if _is_within(view.minute_of_day, _NIGHT) else 0.0


def _is_within(minute: int, span: tuple[int, int]) -> bool:
    """A span may go over midnight."""
    start, end = span
    return start <= minute < end if start <= end else minute >= start or minute < end
