"""How much is kept of rooms, and how old the oldest is."""

from __future__ import annotations

from pathlib import Path

from bridge.clock import FakeClock
from bridge.doctor.kept import check_kept
from bridge.store.store import Store
from tests.store.making import deliver, lease, message, said

DAY_MS = 86_400_000


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def stored(store: Store) -> int:
    """Two messages in the history; returns now."""
    held = await lease(store)
    [arrival] = await store.mailbox.take(held)
    await store.mailbox.finish(held, arrival.seq, reason="x", room=None)
    await store.history.add(held, said("$1", "words"))
    await store.history.add(held, said("$2", "words"))
    async with store.database.reading() as connection:
        return await connection.now()


async def test_it_says_how_much_is_kept_how_old_it_is_and_for_how_long(
    store: Store, database_url: str
) -> None:
    clock = FakeClock(await stored(store) + 3 * DAY_MS + 1)
    finding = await check_kept(database_url, 7, clock)
    assert (finding.name, finding.level, finding.fix) == ("kept text", "ok", "")
    assert finding.sentence.startswith(
        "Room texts kept: 2, the oldest for 3 days; retention.room_text_days is 7. "
        "The database takes "
    )
    assert finding.sentence.endswith(" MB.")


async def test_text_that_is_kept_too_long_is_warned_of(store: Store, database_url: str) -> None:
    clock = FakeClock(await stored(store) + 8 * DAY_MS)
    finding = await check_kept(database_url, 7, clock)
    assert finding.level == "warn"
    assert "the oldest for 8 days" in finding.sentence
    assert "start it" in finding.fix


async def test_an_event_that_waits_is_kept_text_too(store: Store, database_url: str) -> None:
    await deliver(store, message("$1", text="words"))
    finding = await check_kept(database_url, 7, FakeClock(2 + 2 * DAY_MS))
    assert "Room texts kept: 1, the oldest for 2 days" in finding.sentence


async def test_nothing_is_kept_in_an_empty_database(store: Store, database_url: str) -> None:
    finding = await check_kept(database_url, 1, FakeClock())
    assert finding.level == "ok"
    assert "1 day at most" in finding.sentence


async def test_without_a_database_nothing_is_kept_and_none_is_made(tmp_path: Path) -> None:
    finding = await check_kept(f"sqlite:{tmp_path}/bridge.db", 7, FakeClock())
    assert finding.level == "ok"
    assert files(tmp_path) == []


async def test_a_database_that_cannot_be_used_is_another_checks_matter(tmp_path: Path) -> None:
    (tmp_path / "bridge.db").write_text("no database, but long enough to look like one" * 9)
    assert (await check_kept(f"sqlite:{tmp_path}/bridge.db", 7, FakeClock())).level == "skip"
    assert (await check_kept("oracle:x", 7, FakeClock())).level == "skip"
