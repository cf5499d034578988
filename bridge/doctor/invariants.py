"""Whether the tables hold what they must, and what went wrong for good, in sentences."""

from __future__ import annotations

from typing import Final

from bridge.admin.figures import age
from bridge.clock import Clock
from bridge.doctor.finding import Finding, fail, ok, skip, warn
from bridge.doctor.kept import is_missing
from bridge.errors import BridgeError
from bridge.store.database import Database, open_database
from bridge.store.invariants import NAMES, Broken, Name, Refusals, broken, refusals
from bridge.store.migrations import LATEST, current_version

_DAY_MS: Final = 86_400_000
_MAX_SHOWN: Final = 3

_NONE: Final = Refusals(by_problem={}, poison={})

_STUCK: Final = (
    "Look for warnings in the log: the homeserver, the model or the database may be away. If none "
    "is, restart the bridge and report this."
)
_REPORT: Final = "This is a mistake of the program: please report it with the lines of the log."

_SENTENCES: Final[dict[Name, tuple[str, str]]] = {
    "unhandled": ("events wait that came over 15 minutes ago", _STUCK),
    "unsettled_turn": ("finished turns have an effect that was not sent", _REPORT),
    "unconfirmed": (
        "sent effects never came back from the homeserver",
        "Check that the homeserver delivers to the bridge (`doctor`, line ping).",
    ),
    "stuck_effect": ("planned effects have not been sent for over 15 minutes", _STUCK),
    "stuck_turn": ("turns have been open for over 15 minutes", _STUCK),
    "too_old": (
        "texts are kept for longer than retention.room_text_days",
        "A running bridge deletes them: start it (`run`, or a `work`).",
    ),
    "orphan": (
        "rooms are owned by a worker that is gone",
        "A running bridge frees them within a second: start it (`run`, or a `work`).",
    ),
    "asleep": ("rooms have events that nobody will be woken for", _REPORT),
}


async def check_invariants(url: str, kept_days: int, clock: Clock) -> list[Finding]:
    """One finding an invariant. Reads only; works beside a running bridge."""
    try:
        database = await _opened(url, clock)
    except BridgeError as error:
        return [fail("database", str(error), "Correct that and run this again.")]
    if database is None:
        return [ok("database", "There is none yet, so nothing can be wrong in it.")]
    try:
        found = {one.name: one for one in await broken(database, retention_ms=kept_days * _DAY_MS)}
        return [_finding(name, found.get(name), clock) for name in NAMES]
    except BridgeError as error:
        return [fail("database", str(error), "Correct that and run this again.")]
    finally:
        await database.close()


async def check_refusals(url: str, clock: Clock) -> list[Finding]:
    """What can never succeed and was given up: events set aside, effects refused."""
    try:
        database = await _opened(url, clock)
    except BridgeError:
        return [skip(name, "the database") for name in ("set aside", "refused")]
    if database is None:
        return [_set_aside(_NONE), _refused(_NONE)]
    try:
        held = await refusals(database, since=clock.now() - _DAY_MS)
    except BridgeError:
        return [skip(name, "the database") for name in ("set aside", "refused")]
    finally:
        await database.close()
    return [_set_aside(held), _refused(held)]


def _finding(name: Name, one: Broken | None, clock: Clock) -> Finding:
    what, fix = _SENTENCES[name]
    if one is None:
        return ok(name, f"No {what}.")
    since = age(one.since, clock.now())
    return fail(name, f"{one.count} {what}, the oldest for {since}; one is {one.example}.", fix)


def _set_aside(held: Refusals) -> Finding:
    if not held.poison:
        return ok("set aside", "No event had to be set aside.")
    return warn(
        "set aside",
        f"{sum(held.poison.values())} events were set aside because handling them crashed: "
        f"{_listed(held.poison)}.",
        "Everything else goes on. Please report it with the log's lines `event_set_aside`.",
    )


def _refused(held: Refusals) -> Finding:
    if not held.by_problem:
        return ok("refused", "The homeserver refused nothing for good within a day.")
    return warn(
        "refused",
        "Within a day the homeserver refused for good what puppets wanted to send: "
        f"{_listed(held.by_problem)}.",
        "M_FORBIDDEN: a puppet may not write in some room (power levels, a ban, a policy or "
        "access list of servers); its people decide. M_TOO_LARGE: lower engine.max_reply_tokens.",
    )


def _listed(counts: dict[str, int]) -> str:
    most = sorted(counts.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{problem} ({count})" for problem, count in most[:_MAX_SHOWN])
    return shown + (", …" if len(most) > _MAX_SHOWN else "")


async def _opened(url: str, clock: Clock) -> Database | None:
    """None where there is no database of ours, or one before a schema that we know."""
    if is_missing(url):
        return None
    database = await open_database(url, clock)
    try:
        version = await current_version(database)
    except BaseException:
        await database.close()
        raise
    if version < LATEST:
        await database.close()
        return None
    return database
