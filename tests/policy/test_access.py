from __future__ import annotations

import pytest

from bridge.domain.access import Access, Rule
from bridge.domain.ids import RoomId, UserId
from bridge.policy.access import is_denied, may_ask, may_invite
from tests.policy.builders import ALICE, CAROL, ROOM, SERVER


def invite(*, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> Access:
    return Access(own_server=SERVER, invite=Rule(allow=allow, deny=deny))


def test_without_rules_the_own_server_is_allowed() -> None:
    assert may_invite(invite(), ALICE, ROOM)
    assert not may_invite(invite(), CAROL, ROOM)


@pytest.mark.parametrize(
    ("glob", "is_allowed"),
    [
        ("*", True),
        ("far.example", True),
        ("FAR.example", True),
        ("*.example", True),
        ("far.exampl?", True),
        ("far", False),
        ("ar.example", False),
        ("home.example", False),
        ("@carol:far.example", True),
        ("@*:far.example", True),
        ("@bob:*", False),
        ("carol:far.example", False),
        ("!room:home.example", True),
        ("!*", True),
        ("!other:home.example", False),
        ("far[.]example", False),
    ],
)
def test_globs_match_users_servers_and_rooms(glob: str, is_allowed: bool) -> None:
    assert may_invite(invite(allow=(glob,)), CAROL, ROOM) is is_allowed
    assert may_invite(invite(allow=("*",), deny=(glob,)), CAROL, ROOM) is not is_allowed


def test_an_allow_list_replaces_the_own_server() -> None:
    assert not may_invite(invite(allow=("far.example",)), ALICE, ROOM)


def test_deny_wins() -> None:
    assert not may_invite(invite(allow=("@carol:far.example",), deny=("far.example",)), CAROL, ROOM)


def test_a_denied_server_is_denied_on_every_port_but_not_allowed_on_every_port() -> None:
    dave = UserId("@dave:far.example:8448")
    assert not may_invite(invite(allow=("*",), deny=("far.example",)), dave, ROOM)
    assert not may_invite(invite(allow=("far.example",)), dave, ROOM)
    assert may_invite(invite(allow=("far.example:8448",)), dave, ROOM)


def test_an_address_in_brackets_is_a_server() -> None:
    dave = UserId("@dave:[::1]:8448")
    assert may_invite(invite(allow=("[::1]:8448",)), dave, ROOM)
    assert not may_invite(invite(allow=("*",), deny=("[::1]",)), dave, ROOM)


def test_inviting_and_asking_are_apart() -> None:
    access = Access(own_server=SERVER, invite=Rule(allow=("*",)), ask=Rule(deny=("@alice:*",)))
    assert may_invite(access, CAROL, ROOM)
    assert not may_ask(access, CAROL, ROOM)
    assert not may_ask(access, ALICE, ROOM)
    assert is_denied(access.ask, ALICE, ROOM)
    assert not is_denied(access.ask, CAROL, ROOM)


def test_a_room_without_server_in_its_id_can_be_named() -> None:
    room_id = RoomId("!Zm9vYmFy")
    assert may_invite(invite(allow=("!Zm9vYmFy",)), CAROL, room_id)
    assert not may_invite(invite(allow=("!zm9vymfy",)), CAROL, room_id)
