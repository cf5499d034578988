from __future__ import annotations

from dataclasses import replace

from bridge.domain.ids import PuppetId
from bridge.store.store import Store
from tests.store.making import LUNA, record_luna


async def test_a_puppet_is_recorded_and_changed(store: Store) -> None:
    assert await store.puppets.get(LUNA) is None
    await record_luna(store)
    luna = await store.puppets.get(LUNA)
    assert luna is not None
    changed = replace(luna, avatar_hash="abc", avatar_mxc="mxc://x/y", state="retired")
    await store.puppets.put(changed)
    assert await store.puppets.all() == [changed]


async def test_a_renamed_puppet_takes_over_its_user(store: Store) -> None:
    await record_luna(store)
    luna = await store.puppets.get(LUNA)
    assert luna is not None
    renamed = replace(luna, puppet_id=PuppetId("selene"))
    await store.puppets.put(renamed)
    assert await store.puppets.all() == [renamed]
