"""Admins hear of a missing model in their DM, and have it pulled there; nobody else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.domain.cast import Cast
from bridge.domain.ids import EventId, RoomId, UserId
from bridge.domain.persona import Puppet
from bridge.engine.scripted_keeper import SERVER, ScriptedModel
from tests.lab.stores import sqlite_url
from tests.rooms.conftest import ALICE, BOB, LUNA, NOVA, World

MODEL = "gemma3:4b"
REMOTE = UserId("@alice:remote.example")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is said doesn't depend on the kind of database; `tests/store` knows both."""
    return sqlite_url(tmp_path)


@pytest.fixture
def model(world: World) -> ScriptedModel:
    """The model that everybody needs, and that is not there."""
    missing = ScriptedModel(name=MODEL, is_there=False)
    world.keeper.models = [missing]
    return missing


async def with_admins(world: World, *admins: str, cast: Cast | None = None) -> None:
    world.house = replace(world.house, admins=admins, cast=cast or world.house.cast)
    await world.fall()
    await world.rise()


async def dm(world: World, person: UserId = ALICE, with_: Puppet = LUNA) -> RoomId:
    room_id = await world.homeserver.create_room(person)
    await world.homeserver.invite(room_id, sender=person, user_id=with_.user_id, is_direct=True)
    await world.pass_s(1)
    return room_id


def told(world: World, room_id: RoomId) -> list[str]:
    """What was said there of models."""
    bodies = [str(content["body"]) for content in world.said(room_id)]
    return [body for body in bodies if MODEL in body]


async def test_an_admin_is_told_once_of_a_model_and_people_get_the_polite_sentence(
    world: World, model: ScriptedModel
) -> None:
    await with_admins(world, ALICE)
    private, lounge = await dm(world), await world.lounge()
    for n in range(2):
        asked = await world.ask(lounge, f"Luna, what is {n}?", ALICE)
        (answer,) = world.said(lounge, asked)
        assert "operator has to fix that" in answer["body"]
        await world.pass_s(700)
    assert told(world, lounge) == []
    (notice,) = told(world, private)
    assert SERVER in notice
    assert f"`!ai pull {MODEL}`" in notice


async def test_it_is_told_again_after_it_was_pulled_and_went_away(
    world: World, model: ScriptedModel
) -> None:
    await with_admins(world, ALICE)
    private = await dm(world)
    await world.ask(private, "hello?")
    await world.ask(private, f"!ai pull {MODEL}")
    assert "is on" in told(world, private)[-1]
    model.is_there, model.got_bytes = False, 0
    await world.pass_s(700)
    await world.ask(private, "hello again?")
    assert [text for text in told(world, private) if "could not be answered" in text] == [
        told(world, private)[0],
        told(world, private)[-1],
    ]


async def test_who_is_no_admin_or_from_elsewhere_is_told_nothing(
    world: World, model: ScriptedModel
) -> None:
    await with_admins(world, "@al*:*")
    rooms = [await dm(world, who) for who in (BOB, REMOTE, ALICE)]
    await world.ask(await world.lounge(), "Luna, hello?")
    assert [len(told(world, room_id)) for room_id in rooms] == [0, 0, 1]


async def test_an_admin_of_another_server_is_one_by_their_whole_id(
    world: World, model: ScriptedModel
) -> None:
    await with_admins(world, REMOTE)
    private = await dm(world, REMOTE)
    await world.ask(private, f"!ai pull {MODEL}", REMOTE)
    assert model.is_there


async def test_each_admin_is_told_in_one_dm(world: World, model: ScriptedModel) -> None:
    await with_admins(world, ALICE, BOB)
    rooms = [await dm(world, ALICE), await dm(world, ALICE, NOVA), await dm(world, BOB)]
    await world.ask(await world.lounge(), "Luna, hello?")
    assert sorted(len(told(world, room_id)) for room_id in rooms) == [0, 1, 1]
    assert len(told(world, rooms[2])) == 1


async def test_a_dm_that_became_a_group_hears_nothing_and_commands_nothing(
    world: World, model: ScriptedModel
) -> None:
    await with_admins(world, ALICE)
    private = await dm(world)
    await world.homeserver.member(private, sender=BOB, user_id=BOB, membership="join")
    await world.ask(await world.lounge(), "Luna, hello?")
    assert told(world, private) == []
    await world.ask(private, f"!ai pull {MODEL}")
    assert world.keeper.pulls == []


async def test_a_model_of_a_server_that_pulls_nothing_is_only_told(
    world: World, model: ScriptedModel
) -> None:
    model.can_be_pulled = False
    await with_admins(world, ALICE)
    private = await dm(world)
    await world.ask(private, "hello?")
    (notice,) = told(world, private)
    assert "!ai pull" not in notice


@pytest.mark.parametrize("at_s", [0, 3, 30, 61, 119])
async def test_a_pull_survives_the_end_of_the_process(
    world: World, model: ScriptedModel, at_s: float
) -> None:
    model.pull_s = 120
    await with_admins(world, ALICE)
    private = await dm(world)
    asked = await world.ask(private, f"!ai pull {MODEL}")
    await world.pass_s(at_s)
    await world.fall()
    await world.let_pass_s(5)
    await world.rise()
    await world.pass_s(300)
    texts = told(world, private)
    assert model.is_there
    assert sum("Fetching" in text for text in texts) == 1
    assert sum("It took" in text for text in texts) == 1
    assert sum("% of" in text for text in texts) <= 3
    assert len(world.said(private, asked)) == len(texts)
    assert await world.figure("SELECT COUNT(*) FROM pull WHERE state <> 'done'") == 0


async def test_the_room_goes_on_while_a_model_is_pulled(world: World, model: ScriptedModel) -> None:
    world.keeper.models.append(ScriptedModel(name="other", purposes=("vision",), is_there=False))
    world.keeper.models[1].pull_s = 3600
    model.is_there = True
    await with_admins(world, ALICE)
    private = await dm(world)
    await world.ask(private, "!ai pull other")
    await world.pass_s(5)
    asked = await world.ask(private, "what is the tallest tree?")
    await world.pass_s(3)
    assert len(world.said(private, asked)) == 1
    assert not world.keeper.models[1].is_there


async def test_a_pull_that_breaks_off_goes_on_by_itself(
    world: World, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.pull_s, model.fails = 100, "broken"
    await with_admins(world, ALICE)
    private = await dm(world)
    await world.ask(private, f"!ai pull {MODEL}")
    await world.pass_s(52)
    model.fails = ""
    await world.pass_s(120)
    assert "It took" in told(world, private)[-1]
    assert len(world.keeper.pulls) > 1


async def test_what_crashes_a_pull_is_told_and_ends_nothing_else(
    world: World, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(server: str, name: str) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(type(world.keeper), "has", staticmethod(crash))
    await with_admins(world, ALICE)
    private = await dm(world)
    await world.ask(private, f"!ai pull {MODEL}")
    assert "ZeroDivisionError" in told(world, private)[-1]
    model.is_there = True
    asked = await world.ask(private, "what is the tallest tree?")
    await world.pass_s(3)
    assert len(world.said(private, asked)) == 1


async def test_pulling_twice_at_once_is_one_pull(world: World, model: ScriptedModel) -> None:
    model.pull_s = 30
    await with_admins(world, ALICE, BOB)
    mine, theirs = await dm(world), await dm(world, BOB)
    await world.ask(mine, f"!ai pull {MODEL}")
    await world.ask(theirs, f"!ai pull {MODEL}", BOB)
    await world.pass_s(60)
    assert world.keeper.pulls == [MODEL]
    assert "already being fetched" in told(world, theirs)[-1]
    assert "It took" in told(world, mine)[-1]


async def test_a_pull_is_told_where_the_admin_still_is_one(
    world: World, model: ScriptedModel
) -> None:
    model.pull_s = 60
    await with_admins(world, ALICE)
    private = await dm(world)
    await world.ask(private, f"!ai pull {MODEL}")
    await with_admins(world, BOB)
    await world.pass_s(120)
    assert model.is_there
    assert not any("It took" in text for text in told(world, private))


async def test_a_forged_event_of_ours_does_nothing(world: World, model: ScriptedModel) -> None:
    """The kind of event that news comes in is ours alone: no homeserver's JSON becomes it."""
    await with_admins(world, ALICE)
    private = await dm(world)
    before = len(world.said(private))
    await world.homeserver.state(private, ALICE, "news", {"sentence": "pull_done"})
    await world.settle()
    assert len(world.said(private)) == before
    assert EventId("~") not in await world.store.mailbox.reasons(private)
