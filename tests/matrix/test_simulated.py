"""The homeserver in memory does what a real one does, as far as replay and tests rely on it."""

from __future__ import annotations

import pytest

from bridge.clock import FakeClock
from bridge.domain.cast import Cast
from bridge.domain.effect import SendText
from bridge.domain.events import (
    Delivery,
    Echo,
    Edit,
    Membership,
    Message,
    Reaction,
    Redaction,
    RoomEvent,
    StateChange,
)
from bridge.domain.ids import EventId, RoomId, TxnId, UserId
from bridge.errors import Refused, Unreachable
from bridge.matrix.simulated import SimulatedHomeserver, TxnMemory
from bridge.matrix.wire import parse_transaction
from bridge.ports import Homeserver
from tests.matrix.making import ALICE, LUNA, puppet

CAST = Cast((puppet("luna"), puppet("nova")))
HELLO = SendText(text="hello")
TXN = TxnId("turn.0")


class Bridge:
    """Takes transactions as the real one does."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.deliveries: list[Delivery] = []

    async def accept(self, body: object) -> None:
        self.deliveries.append(parse_transaction(body, self._clock.now(), CAST.is_ours))

    @property
    def events(self) -> list[RoomEvent]:
        assert not any(d.malformed for d in self.deliveries)
        return [event for d in self.deliveries for event in d.events]

    @property
    def echoes(self) -> list[Echo]:
        return [echo for d in self.deliveries for echo in d.echoes]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def homeserver(clock: FakeClock) -> SimulatedHomeserver:
    return SimulatedHomeserver(clock=clock, cast=CAST)


@pytest.fixture
def bridge(clock: FakeClock) -> Bridge:
    return Bridge(clock)


async def _room_with_luna(homeserver: SimulatedHomeserver) -> RoomId:
    room_id = await homeserver.create_room(ALICE, name="Lounge")
    await homeserver.invite(room_id, sender=ALICE, user_id=LUNA)
    await homeserver.join(puppet(), room_id, [])
    return room_id


async def test_it_is_a_homeserver_of_the_port(homeserver: SimulatedHomeserver) -> None:
    port: Homeserver = homeserver
    assert await port.joined_rooms(puppet()) == []


async def test_events_reach_a_bridge_only_of_rooms_with_its_puppets(
    homeserver: SimulatedHomeserver, bridge: Bridge
) -> None:
    await homeserver.attach(bridge.accept)
    other = await homeserver.create_room(ALICE)
    await homeserver.say(other, ALICE, "nobody here")
    assert bridge.events == []
    room_id = await _room_with_luna(homeserver)
    await homeserver.say(room_id, ALICE, "Luna, hello", mentions=[LUNA])
    invited, joined, said = bridge.events
    assert isinstance(invited, Membership)
    assert invited.membership == "invite"
    assert isinstance(joined, Membership)
    assert joined.membership == "join"
    assert isinstance(said, Message)
    assert said.mentions is not None
    assert (said.text, said.mentions.user_ids) == ("Luna, hello", (LUNA,))


async def test_what_a_puppet_sends_comes_back_as_an_echo(
    homeserver: SimulatedHomeserver, bridge: Bridge
) -> None:
    await homeserver.attach(bridge.accept)
    room_id = await _room_with_luna(homeserver)
    event_id = await homeserver.send(puppet(), room_id, HELLO, TXN)
    assert [(e.txn_id, e.event_id) for e in bridge.echoes] == [(TXN, event_id)]


async def test_events_wait_for_a_bridge_that_is_away(
    homeserver: SimulatedHomeserver, bridge: Bridge, clock: FakeClock
) -> None:
    room_id = await _room_with_luna(homeserver)
    await homeserver.say(room_id, ALICE, "one")
    clock.shift(7_000)
    await homeserver.say(room_id, ALICE, "two")
    await homeserver.attach(bridge.accept)
    texts = [(e.text, e.age_ms) for e in bridge.events if isinstance(e, Message)]
    assert texts == [("one", 7_000), ("two", 0)]
    homeserver.detach()
    await homeserver.say(room_id, ALICE, "three")
    assert len([e for e in bridge.events if isinstance(e, Message)]) == 2
    await homeserver.redeliver(room_id)
    await homeserver.attach(bridge.accept)
    texts = [e.text for e in bridge.events if isinstance(e, Message)]
    assert texts == ["one", "two", "three", "one", "two", "three"]


async def test_a_message_may_have_been_sent_long_ago(
    homeserver: SimulatedHomeserver, bridge: Bridge, clock: FakeClock
) -> None:
    await homeserver.attach(bridge.accept)
    room_id = await _room_with_luna(homeserver)
    await homeserver.say(room_id, ALICE, "late", sent_at=clock.now() - 900_000)
    said = bridge.events[-1]
    assert (said.sent_at, said.age_ms) == (clock.now() - 900_000, 900_000)


@pytest.mark.parametrize(
    ("remembers", "is_restarted", "is_once"),
    [
        ("device", False, True),
        ("device", True, True),
        ("memory", False, True),
        ("memory", True, False),
        ("none", False, False),
    ],
)
async def test_a_repeated_send_is_one_event_as_long_as_it_is_remembered(
    clock: FakeClock, remembers: TxnMemory, is_restarted: bool, is_once: bool
) -> None:
    homeserver = SimulatedHomeserver(clock=clock, cast=CAST, remembers=remembers)
    room_id = await _room_with_luna(homeserver)
    first = await homeserver.send(puppet(), room_id, HELLO, TXN)
    if is_restarted:
        homeserver.restart()
    again = await homeserver.send(puppet(), room_id, SendText(text="other"), TXN)
    assert (first == again) is is_once


@pytest.mark.parametrize(("when", "is_there"), [("before", False), ("after", True)])
async def test_a_send_may_get_lost_on_its_way_there_or_back(
    homeserver: SimulatedHomeserver, when: str, is_there: bool
) -> None:
    room_id = await _room_with_luna(homeserver)
    homeserver.fail_next_send("before" if when == "before" else "after")
    with pytest.raises(Unreachable):
        await homeserver.send(puppet(), room_id, HELLO, TXN)
    sent = [e for e in homeserver.timeline(room_id) if e["type"] == "m.room.message"]
    assert bool(sent) is is_there
    await homeserver.send(puppet(), room_id, HELLO, TXN)
    sent = [e for e in homeserver.timeline(room_id) if e["type"] == "m.room.message"]
    assert len(sent) == 1


async def test_who_is_not_in_the_room_cannot_act_there(homeserver: SimulatedHomeserver) -> None:
    room_id = await homeserver.create_room(ALICE, is_public=True)
    with pytest.raises(Refused):
        await homeserver.send(puppet(), room_id, HELLO, TXN)
    with pytest.raises(Refused):
        await homeserver.join(puppet(), room_id, [])
    with pytest.raises(Refused):
        await homeserver.room_state(puppet(), room_id)
    with pytest.raises(Refused):
        await homeserver.leave(puppet(), room_id, "")
    assert all(e.get("state_key") != LUNA for e in homeserver.timeline(room_id))


async def test_joining_twice_and_leaving_twice_changes_nothing(
    homeserver: SimulatedHomeserver,
) -> None:
    room_id = await _room_with_luna(homeserver)
    count = len(homeserver.timeline(room_id))
    await homeserver.join(puppet(), room_id, [])
    assert len(homeserver.timeline(room_id)) == count
    assert await homeserver.joined_rooms(puppet()) == [room_id]
    await homeserver.leave(puppet(), room_id, "bye")
    await homeserver.leave(puppet(), room_id, "bye")
    assert len(homeserver.timeline(room_id)) == count + 1
    assert await homeserver.joined_rooms(puppet()) == []


async def test_a_kicked_puppet_hears_of_it_and_of_nothing_after(
    homeserver: SimulatedHomeserver, bridge: Bridge
) -> None:
    room_id = await _room_with_luna(homeserver)
    await homeserver.attach(bridge.accept)
    await homeserver.member(room_id, sender=ALICE, user_id=LUNA, membership="leave")
    await homeserver.say(room_id, ALICE, "gone")
    last = bridge.events[-1]
    assert isinstance(last, Membership)
    assert (last.sender, last.membership) == (ALICE, "leave")


async def test_the_state_says_who_is_there_and_whether_it_is_encrypted(
    homeserver: SimulatedHomeserver,
) -> None:
    room_id = await homeserver.create_room(ALICE, name="Lounge", is_encrypted=True)
    await homeserver.invite(room_id, sender=ALICE, user_id=LUNA)
    await homeserver.join(puppet(), room_id, [])
    state = await homeserver.room_state(puppet(), room_id)
    types = {e.type for e in state if isinstance(e, StateChange)}
    assert {"m.room.create", "m.room.encryption", "m.room.name", "m.room.join_rules"} <= types
    members = {e.user_id: e.membership for e in state if isinstance(e, Membership)}
    assert members == {ALICE: "join", LUNA: "join"}


async def test_people_reply_thread_edit_react_and_redact(
    homeserver: SimulatedHomeserver, bridge: Bridge
) -> None:
    room_id = await _room_with_luna(homeserver)
    await homeserver.attach(bridge.accept)
    bridge.deliveries.clear()
    bob = UserId("@bob:remote.example")
    asked = await homeserver.say(room_id, ALICE, "one", mentions_room=True)
    await homeserver.say(room_id, bob, "two", reply_to=asked)
    in_thread = await homeserver.say(room_id, bob, "three", thread_root=asked)
    await homeserver.say(room_id, bob, "four", thread_root=asked, reply_to=in_thread)
    await homeserver.say(room_id, ALICE, "five", edit_of=asked)
    await homeserver.say(room_id, bob, "", image="cat.png")
    await homeserver.say(room_id, bob, "note", is_notice=True)
    await homeserver.react(room_id, bob, asked, "🛑")
    await homeserver.redact(room_id, ALICE, asked)
    one, two, three, four, edit, image, note, reaction, redaction = bridge.events
    assert isinstance(one, Message)
    assert one.mentions is not None
    assert one.mentions.room
    assert isinstance(two, Message)
    assert (two.reply_to, two.thread_root) == (asked, None)
    assert isinstance(three, Message)
    assert (three.reply_to, three.thread_root) == (None, asked)
    assert isinstance(four, Message)
    assert (four.reply_to, four.thread_root) == (in_thread, asked)
    assert isinstance(edit, Edit)
    assert (edit.target, edit.text) == (asked, "five")
    assert isinstance(image, Message)
    assert (image.content_kind, image.text) == ("image", "cat.png")
    assert isinstance(note, Message)
    assert note.content_kind == "notice"
    assert isinstance(reaction, Reaction)
    assert (reaction.target, reaction.key) == (asked, "🛑")
    assert isinstance(redaction, Redaction)
    assert redaction.target == asked
    assert [e["event_id"] for e in homeserver.timeline(room_id) if not e["content"]] == [asked]


async def test_what_arrives_while_the_bridge_takes_a_transaction_comes_in_the_next(
    homeserver: SimulatedHomeserver, bridge: Bridge
) -> None:
    room_id = await _room_with_luna(homeserver)

    async def accept(body: object) -> None:
        await bridge.accept(body)
        if not bridge.echoes and len(bridge.deliveries) > 1:
            await homeserver.send(puppet(), room_id, HELLO, TXN)

    await homeserver.attach(accept)
    await homeserver.say(room_id, ALICE, "hello")
    assert [len(d.events) + len(d.echoes) for d in bridge.deliveries] == [2, 1, 1]


async def test_typing_is_written_down(homeserver: SimulatedHomeserver) -> None:
    room_id = await _room_with_luna(homeserver)
    await homeserver.type(puppet(), room_id, is_typing=True)
    await homeserver.mark_read(puppet(), room_id, EventId("$it"))
    assert homeserver.typing == [(LUNA, room_id, True)]
