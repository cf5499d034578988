"""A backup that is put back answers nothing again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.clock import FakeClock
from bridge.store.store import open_store
from tests.rooms.conftest import World

_DAY_MS = 86_400_000


def put_back(backup: Path, live: Path) -> None:
    backup.replace(live)
    for rest in ("-wal", "-shm"):
        Path(f"{live}{rest}").unlink(missing_ok=True)


@pytest.mark.parametrize("later_ms", [60_000, 2 * _DAY_MS])
async def test_a_restored_backup_answers_no_old_question_again(
    tmp_path: Path, clock: FakeClock, later_ms: int
) -> None:
    live, backup = tmp_path / "bridge.db", tmp_path / "backup.db"
    world = World(await open_store(f"sqlite:{live}", clock), clock)
    await world.rise()
    room_id = await world.lounge()
    world.engine.state = "slow"
    asked = await world.ask(room_id, "Luna, hello?")
    async with world.store.database.reading() as connection:
        await connection.fetch(f"VACUUM INTO '{backup}'")
    await world.pass_s(20)
    assert len(world.said(room_id, asked)) == 1

    await world.fall()
    await world.store.close()
    clock.shift(later_ms)
    put_back(backup, live)
    world.store = await open_store(f"sqlite:{live}", clock)
    world.engine.state = "up"
    await world.rise()
    await world.pass_s(20)
    assert len(world.said(room_id, asked)) == 1
    again = await world.ask(room_id, "Luna, are you well?")
    await world.pass_s(5)
    assert len(world.said(room_id, again)) == 1
    await world.fall()
    await world.store.close()
