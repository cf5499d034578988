"""What people of one homeserver and its puppets say to each other."""

from __future__ import annotations

import time

from bridge.domain.vendor import AI_KEY, TXN_KEY
from tests.e2e.world import World, is_message
from tests.fakes.ollama_stream import Reply, Shape
from tests.lab.people import Person, body_of, is_answer, replies_to


async def test_an_invited_puppet_joins_and_says_once_what_it_is(
    world: World, alice: Person
) -> None:
    room_id = await alice.create_room(name="Lounge")
    await alice.invite(room_id, world.luna)
    first = await world.wait_until_there(alice, room_id, world.luna)
    assert "Luna" in body_of(first)
    assert "AI" in body_of(first)
    assert "the lab" in body_of(first)
    assert first["content"][AI_KEY]["generated"] is False

    await alice.invite(room_id, world.milo)
    second = await world.wait_until_there(alice, room_id, world.milo)
    assert "Milo" in body_of(second)
    assert len(body_of(second)) < len(body_of(first))

    await world.catch_up(alice, room_id, world.luna)
    by_luna = [e for e in await alice.messages(room_id) if is_message(e, world.luna)]
    assert len([e for e in by_luna if not replies_to(e)]) == 1


async def test_a_puppet_is_marked_as_ai_in_its_profile(world: World, alice: Person) -> None:
    profile = await alice.profile(world.luna)
    assert profile["displayname"] == "Luna (AI)"
    assert profile["avatar_url"].startswith("mxc://")
    assert profile[AI_KEY] == {"persona": "luna", "operator": "the lab"}


async def test_a_mentioned_puppet_answers_once_with_a_marked_reply(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    world.ollama.reply = "The **moon**, of course."
    asked = await alice.send(room_id, "what is up there?", mentions=[world.luna])
    answer = await world.answer(alice, room_id, asked, world.luna)
    content = answer["content"]
    assert body_of(answer).endswith("The **moon**, of course.")
    assert "<strong>moon</strong>" in content["formatted_body"]
    assert content["m.mentions"] == {}, "said explicitly, and a quick answer calls nobody"
    assert content[AI_KEY]["generated"] is True
    assert content[AI_KEY]["persona"] == "luna"
    assert content[AI_KEY]["model"] == "gemma3:4b"
    assert content[TXN_KEY]
    assert "what is up there?" in str(world.ollama.chats()[-1]["messages"])

    await world.catch_up(alice, room_id, world.luna)
    assert len(await world.answers(alice, room_id, asked)) == 1


async def test_a_puppet_named_at_the_start_answers_and_one_that_is_not_stays_silent(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna)
    aside = await alice.send(room_id, "I told somebody about the weather.")
    asked = await alice.send(room_id, "露娜，你是谁？")
    await world.answer(alice, room_id, asked, world.luna)
    await world.catch_up(alice, room_id, world.luna)
    assert await world.answers(alice, room_id, aside) == []


async def test_a_reply_to_a_puppet_is_answered(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    asked = await alice.send(room_id, "Luna, hello!")
    answer = await world.answer(alice, room_id, asked, world.luna)
    more = await alice.send(room_id, "and then?", reply_to=answer["event_id"])
    await world.answer(alice, room_id, more, world.luna)


async def test_in_a_dm_everything_is_answered(world: World, alice: Person) -> None:
    room_id = await alice.create_dm(world.luna)
    await world.wait_until_there(alice, room_id, world.luna)
    for words in ("hello there", "what do you think of tea?"):
        asked = await alice.send(room_id, words)
        await world.answer(alice, room_id, asked, world.luna)


async def test_a_thread_is_answered_in_the_thread(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    root = await alice.send(room_id, "Plans for the evening?")
    aside = await alice.send(room_id, "I would read.", thread=root)
    asked = await alice.send(room_id, "Luna, what about you?", thread=root)
    answer = await world.answer(alice, room_id, asked, world.luna)
    relation = answer["content"]["m.relates_to"]
    assert relation["rel_type"] == "m.thread"
    assert relation["event_id"] == root
    assert await world.answers(alice, room_id, aside) == []


async def test_an_edit_is_not_a_new_question(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    asked = await alice.send(room_id, "Luna, what is teh moon?")
    await world.answer(alice, room_id, asked, world.luna)
    edit = await alice.edit(room_id, asked, "Luna, what is the moon?")
    await world.catch_up(alice, room_id, world.luna)
    assert len(await world.answers(alice, room_id, asked)) == 1
    assert await world.answers(alice, room_id, edit) == []
    assert "what is the moon?" in str(world.ollama.chats()[-1]["messages"])


async def test_two_who_are_addressed_answer_as_themselves_in_the_order_named(
    world: World, alice: Person
) -> None:
    room_id = await world.room_of(alice, world.luna, world.milo)
    asked = await alice.send(room_id, "Milo and Luna, who are you?")
    await world.answer(alice, room_id, asked, world.luna)
    answers = await world.answers(alice, room_id, asked)
    assert [answer["sender"] for answer in answers] == [world.milo, world.luna]
    assert "asked to be Milo." in body_of(answers[0])
    assert "asked to be Luna." in body_of(answers[1])


async def test_typing_shows_before_the_answer_comes(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    slow = Reply(text="Patience.", shape=Shape(first_token_delay_s=1.5))
    world.ollama.once.append(slow)
    await alice.sync()
    asked_s = time.monotonic()
    asked = await alice.send(room_id, "Luna, are you there?")
    typing_s = await alice.wait_typing(room_id, world.luna, since_s=asked_s)
    seen = alice.rooms[room_id].events
    assert not any(is_answer(event, asked, world.luna) for event in seen)
    assert typing_s - asked_s < 1.2, "half a second, and a slow machine's share"
    await world.answer(alice, room_id, asked, world.luna)


async def test_help_is_answered_without_the_model(world: World, alice: Person) -> None:
    room_id = await world.room_of(alice, world.luna)
    asked = await alice.send(room_id, "!ai help")
    answer = await world.answer(alice, room_id, asked, world.luna)
    assert answer["content"][AI_KEY]["generated"] is False
    assert world.ollama.chats() == []


async def test_rooms_do_not_wait_for_each_other(world: World, alice: Person) -> None:
    bob = await world.town.person(world.home, "bob")
    slow_room = await world.room_of(alice, world.luna)
    quick_room = await world.room_of(bob, world.luna)
    world.ollama.once.append(Reply(text="At last.", shape=Shape(first_token_delay_s=3)))
    slow = await alice.send(slow_room, "Luna, think hard.")
    await world.thinking()
    quick = await bob.send(quick_room, "Luna, hello!")
    await world.answer(bob, quick_room, quick, world.luna)
    assert await world.answers(alice, slow_room, slow) == []
    await world.answer(alice, slow_room, slow, world.luna)
