"""A room that goes on in another one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.access import Access, Rule
from bridge.domain.decision import Configure, Follow, Leave
from bridge.domain.ids import PuppetId, RoomId
from bridge.domain.room import Powers, Room, apply
from bridge.domain.room_settings import RoomSettings
from bridge.policy.decide import decide
from bridge.policy.upgrading import carried, goes_on_from
from bridge.policy.view import View
from tests.policy.builders import (
    ALICE,
    BOB,
    LUNA,
    NOVA,
    NOW,
    ROOM,
    SERVER,
    membership,
    room,
    state,
    view,
)

NEW = RoomId("!new:far.example")
TOMBSTONE = state("m.room.tombstone", {"body": "moved", "replacement_room": NEW})


def seen(*, power: int = 100, access: Access | None = None, successor: str | None = None) -> View:
    of = room()
    of = replace(of, powers=Powers(users={ALICE: power}))
    before = replace(of, successor=RoomId(successor) if successor else None)
    return replace(view(before, access=access), room=apply(before, TOMBSTONE), before=before)


def followers(of: View) -> list[str]:
    return [d.puppet_id for d in decide(of, TOMBSTONE, NOW) if isinstance(d, Follow)]


def test_every_puppet_follows_whom_the_room_lets_say_so() -> None:
    of = seen()
    assert followers(of) == ["luna", "nova"]
    follow = next(d for d in decide(of, TOMBSTONE, NOW) if isinstance(d, Follow))
    assert follow.target == NEW
    assert follow.via == (SERVER, "far.example")


@pytest.mark.parametrize(
    "of",
    [
        seen(power=10),
        seen(successor="!other:far.example"),
        seen(access=Access(own_server=SERVER, invite=Rule(allow=("@boss:*",)))),
        seen(access=Access(own_server=SERVER, invite=Rule(deny=("!new:far.example",)))),
    ],
)
def test_nobody_follows_without_power_twice_or_against_our_own_rules(of: View) -> None:
    assert followers(of) == []


@pytest.mark.parametrize("target", ["", "no id", 5, None, "!" + "x" * 300])
def test_a_tombstone_without_a_room_leads_nowhere(target: object) -> None:
    tombstone = state("m.room.tombstone", {"replacement_room": target})
    of = seen()
    assert not any(isinstance(d, Follow) for d in decide(of, tombstone, NOW))


def test_the_new_room_has_to_say_that_it_follows() -> None:
    create = state("m.room.create", {"predecessor": {"room_id": ROOM}})
    assert goes_on_from([create], ROOM)
    assert not goes_on_from([state("m.room.create", {})], ROOM)
    assert not goes_on_from([state("m.room.create", {"predecessor": "x"})], ROOM)
    assert not goes_on_from([], ROOM)


def test_settings_go_along_only_where_both_rooms_name_each_other() -> None:
    settings = RoomSettings(level="chatty")
    old = replace(room(), settings=settings, successor=NEW, muted_until={PuppetId("luna"): 5})
    new = Room(room_id=NEW, predecessor=ROOM)
    assert carried(new, old).settings == settings
    assert carried(new, old).muted_until == {"luna": 5}
    assert carried(new, replace(old, successor=None)).settings == RoomSettings()
    assert carried(replace(new, predecessor=None), old).settings == RoomSettings()


def test_the_last_person_takes_everybody_along() -> None:
    of = room(people=[ALICE])
    gone = membership(ALICE, "leave")
    after = replace(view(of), room=apply(of, gone))
    leaving = decide(after, gone, NOW)
    assert [d.puppet_id for d in leaving if isinstance(d, Leave)] == ["luna", "nova"]
    still = room(people=[ALICE, BOB])
    after = replace(view(still), room=apply(still, gone))
    assert not any(isinstance(d, Leave) for d in decide(after, gone, NOW))


def test_nobody_stays_where_our_server_is_shut_out() -> None:
    denied = state("m.room.server_acl", {"allow": ["*"], "deny": [SERVER]})
    leaving = decide(view(), denied, NOW)
    assert {d.puppet_id for d in leaving if isinstance(d, Leave)} == {
        LUNA.puppet_id,
        NOVA.puppet_id,
    }
    allowed = state("m.room.server_acl", {"allow": ["*"]})
    assert not any(isinstance(d, Leave | Configure) for d in decide(view(), allowed, NOW))
