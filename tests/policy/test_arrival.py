"""Coming and going."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.domain.access import Access, Rule
from bridge.domain.decision import BecomeGroup, Decision, Join, Leave, Say, Silence
from bridge.domain.events import Membership
from bridge.domain.ids import UserId
from bridge.domain.persona import Puppet
from bridge.domain.room import Direct, Room
from bridge.policy import reasons, wording
from bridge.policy.decide import decide
from bridge.policy.view import View
from tests.policy.builders import (
    ALICE,
    BOB,
    BRIDGE,
    CAROL,
    LUNA,
    MILO,
    NOVA,
    NOW,
    SERVER,
    after,
    dm,
    membership,
    message,
    room,
    state,
    view,
)

EMPTY = room(puppets=[], people=[], is_encrypted=None)


def invited(
    seen: View | None = None,
    *,
    sender: UserId = ALICE,
    is_direct: bool = False,
    stripped: dict[str, str] | None = None,
) -> Decision:
    event = membership(LUNA, "invite", sender=sender, is_direct=is_direct, stripped=stripped)
    (decision,) = decide(after(seen or view(EMPTY), event), event, NOW)
    return decision


def joined(of: Room, puppet: Puppet = LUNA) -> tuple[Decision, ...]:
    event = membership(puppet, "join")
    return decide(view(of), event, NOW)


def words(decision: Say | Leave) -> str:
    return wording.sentence(decision.sentence, decision.language, **dict(decision.values))


def test_an_invite_from_the_own_server_is_followed() -> None:
    assert invited() == Join(
        puppet_id=LUNA.puppet_id,
        cause_id=membership(LUNA, "invite").event_id,
        via=(SERVER,),
        reason="invited",
        inviter=ALICE,
    )


def test_an_invite_of_a_federated_person_goes_by_their_server() -> None:
    seen = view(EMPTY, access=Access(own_server=SERVER, invite=Rule(allow=("*",))))
    decision = invited(seen, sender=CAROL)
    assert isinstance(decision, Join)
    assert decision.via == ("far.example",)


def test_an_invite_to_a_dm_says_so() -> None:
    decision = invited(is_direct=True)
    assert isinstance(decision, Join)
    assert decision.is_direct


def test_a_room_with_another_puppet_becomes_no_dm() -> None:
    seen = view(room(puppets=[NOVA], people=[ALICE]))
    decision = invited(seen, is_direct=True)
    assert isinstance(decision, Join)
    assert not decision.is_direct


@pytest.mark.parametrize("members", [1, 2, 50])
def test_counting_members_makes_no_dm(members: int) -> None:
    people = [UserId(f"@p{n}:{SERVER}") for n in range(members)]
    decision = invited(view(room(puppets=[], people=people, is_encrypted=None)))
    assert isinstance(decision, Join)
    assert not decision.is_direct


@pytest.mark.parametrize(
    ("seen", "sender", "stripped", "reason", "sentence"),
    [
        (view(EMPTY), CAROL, {}, "invite_denied", "invite_denied"),
        (view(EMPTY), ALICE, {"room_type": "m.space"}, "space", "no_spaces"),
        (view(EMPTY), ALICE, {"encryption": "m.megolm"}, "encrypted", "encrypted_invite"),
        (view(EMPTY), ALICE, {"encryption": ""}, "encrypted", "encrypted_invite"),
        (view(EMPTY, invites_today=20), ALICE, {}, "invite_too_many", "invite_too_many"),
        (view(EMPTY, rooms_joined=1000), ALICE, {}, "rooms_full", "rooms_full"),
    ],
)
def test_a_refused_invite_is_declined_with_a_sentence(
    seen: View, sender: UserId, stripped: dict[str, str], reason: str, sentence: str
) -> None:
    decision = invited(seen, sender=sender, stripped=stripped)
    assert isinstance(decision, Leave)
    assert (decision.reason, decision.sentence) == (reason, sentence)
    assert words(decision)


def test_a_denied_inviter_is_refused_even_where_all_are_allowed() -> None:
    access = Access(own_server=SERVER, invite=Rule(allow=("*",), deny=("far.example",)))
    decision = invited(view(EMPTY, access=access), sender=CAROL)
    assert isinstance(decision, Leave)
    assert decision.reason == "invite_denied"


def test_a_room_that_we_are_in_already_is_no_further_room() -> None:
    assert isinstance(invited(view(room(puppets=[NOVA]), rooms_joined=1000)), Join)


def test_caps_just_not_reached_let_in() -> None:
    assert isinstance(invited(view(EMPTY, rooms_joined=999, invites_today=19)), Join)


def test_an_unremarkable_room_type_is_joined() -> None:
    assert isinstance(invited(stripped={"room_type": "", "name": "x"}), Join)


def test_an_invite_of_a_person_is_none_of_our_business() -> None:
    event = membership(CAROL, "invite", sender=ALICE)
    assert [type(d) for d in decide(view(), event, NOW)] == [Silence]


def test_the_first_puppet_says_what_it_is() -> None:
    (decision,) = joined(room(puppets=[LUNA]))
    assert isinstance(decision, Say)
    assert (decision.sentence, decision.ordinal) == ("disclosure", "disclosure")
    assert "Luna" in words(decision)
    assert "Example Org" in words(decision)
    assert decision.reply_to is None


def test_a_further_puppet_adds_one_line() -> None:
    (decision,) = joined(room(disclosed=[LUNA]), NOVA)
    assert isinstance(decision, Say)
    assert (decision.puppet_id, decision.sentence) == ("nova", "disclosure_more")


def test_a_puppet_whose_forerunner_has_left_discloses_in_full() -> None:
    (decision,) = joined(room(puppets=[NOVA], disclosed=[LUNA]), NOVA)
    assert isinstance(decision, Say)
    assert decision.sentence == "disclosure"


def test_the_bridge_user_is_no_forerunner() -> None:
    (decision,) = joined(room(puppets=[LUNA, BRIDGE], disclosed=[BRIDGE]))
    assert isinstance(decision, Say)
    assert decision.sentence == "disclosure"


def test_a_new_profile_or_a_second_coming_discloses_nothing_again() -> None:
    (decision,) = joined(room(disclosed=[LUNA]))
    assert isinstance(decision, Silence)
    assert decision.reason == "already_disclosed"


def test_the_bridge_user_greets_and_lists_the_puppets() -> None:
    (decision,) = joined(dm(BRIDGE), BRIDGE)
    assert isinstance(decision, Say)
    assert decision.sentence == "bridge_greeting"
    assert "https://matrix.to/#/@ai_nova:home.example" in words(decision)


def test_the_room_language_is_spoken() -> None:
    (decision,) = joined(replace(room(), language="ja"))
    assert isinstance(decision, Say)
    assert decision.language == "ja"


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (room(puppets=[LUNA], is_encrypted=True), "encrypted"),
        (room(puppets=[LUNA], is_space=True), "space"),
        (
            room(puppets=[LUNA], people=[UserId(f"@p{n}:x") for n in range(2000)]),
            "too_many_members",
        ),
    ],
)
def test_a_room_that_turns_out_unfit_is_left_with_a_sentence(of: Room, reason: str) -> None:
    (decision,) = joined(of)
    assert isinstance(decision, Leave)
    assert decision.reason == reason
    assert words(decision)


def test_a_room_with_just_as_many_members_as_allowed_is_fine() -> None:
    (decision,) = joined(room(puppets=[LUNA], people=[UserId(f"@p{n}:x") for n in range(1999)]))
    assert isinstance(decision, Say)


@pytest.mark.parametrize("members", [1, 3000])
def test_a_room_whose_encryption_cannot_be_known_is_left_with_a_reason(members: int) -> None:
    people = [UserId(f"@p{n}:x") for n in range(members)]
    (decision,) = joined(room(puppets=[LUNA], people=people, is_encrypted=None))
    assert isinstance(decision, Leave)
    assert decision.reason == "encryption_unknown"


def test_a_join_that_is_over_already_says_nothing() -> None:
    (decision,) = joined(room(puppets=[NOVA]))
    assert isinstance(decision, Silence)
    assert decision.reason == "gone_again"


def test_encryption_makes_every_puppet_leave() -> None:
    event = state("m.room.encryption")
    decisions = decide(after(view(room(puppets=[LUNA, NOVA])), event), event, NOW)
    assert [(type(d), d.reason) for d in decisions] == [(Leave, "encrypted")] * 2
    assert {d.puppet_id for d in decisions if isinstance(d, Leave)} == {"luna", "nova"}


def test_a_room_found_to_be_encrypted_is_left_at_the_next_event() -> None:
    decisions = decide(view(room(is_encrypted=True)), message("Luna, hi"), NOW)
    assert [type(d) for d in decisions] == [Leave, Leave]


def test_a_further_person_ends_a_dm_and_the_puppet_says_so() -> None:
    event = membership(BOB, "join")
    group, said_so = decide(after(view(dm()), event), event, NOW)
    assert isinstance(group, BecomeGroup)
    assert isinstance(said_so, Say)
    assert (said_so.puppet_id, said_so.sentence) == ("luna", "dm_ended")
    assert "Luna" in words(said_so)


def test_a_dm_ends_only_once() -> None:
    event = membership(CAROL, "join")
    of = replace(room(puppets=[LUNA]), direct=None)
    assert [type(d) for d in decide(after(view(of), event), event, NOW)] == [Silence]


@pytest.mark.parametrize("change", ["invite", "leave", "ban", "knock"])
def test_only_joining_ends_a_dm(change: str) -> None:
    event = replace(membership(BOB, "join", sender=ALICE), membership=change)  # pyright: ignore[reportArgumentType]
    assert [type(d) for d in decide(after(view(dm()), event), event, NOW)] == [Silence]


def test_a_further_puppet_ends_a_dm_and_introduces_itself() -> None:
    direct = Direct(person=ALICE, puppet_id=LUNA.puppet_id)
    of = room(puppets=[LUNA, NOVA], people=[ALICE], direct=direct, disclosed=[LUNA])
    decisions = joined(of, NOVA)
    assert [type(d) for d in decisions] == [BecomeGroup, Say, Say]
    assert [(d.puppet_id, d.sentence) for d in decisions if isinstance(d, Say)] == [
        ("luna", "dm_ended"),
        ("nova", "disclosure_more"),
    ]


def test_a_supposed_dm_with_more_members_becomes_a_group_without_a_word() -> None:
    direct = Direct(person=ALICE, puppet_id=LUNA.puppet_id)
    group, disclosure = joined(room(puppets=[LUNA], people=[ALICE, BOB], direct=direct))
    assert isinstance(group, BecomeGroup)
    assert isinstance(disclosure, Say)
    assert disclosure.sentence == "disclosure"


def test_a_dm_of_two_stays_one() -> None:
    (disclosure,) = joined(dm())
    assert isinstance(disclosure, Say)


@pytest.mark.parametrize("change", ["leave", "ban"])
def test_a_removed_puppet_says_nothing(change: str) -> None:
    event: Membership = replace(membership(LUNA, "join", sender=ALICE), membership=change)  # pyright: ignore[reportArgumentType]
    (decision,) = decide(after(view(), event), event, NOW)
    assert isinstance(decision, Silence)
    assert decision.reason == "removed"


def test_a_person_who_comes_into_a_group_changes_nothing() -> None:
    event = membership(CAROL, "join")
    assert [type(d) for d in decide(after(view(room(puppets=[MILO])), event), event, NOW)] == [
        Silence
    ]


def test_where_nobody_is_nothing_is_said() -> None:
    """As in the room that `doctor` makes to try a repeated send."""
    of = view(room(puppets=[LUNA], people=[]))
    (silence,) = decide(of, membership(LUNA, "join"), NOW)
    assert isinstance(silence, Silence)
    assert silence.reason == reasons.NOBODY_LEFT
