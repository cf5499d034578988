"""The order of the rules: who is silent, who answers, what is only remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.access import Access, Rule
from bridge.domain.decision import (
    Acknowledge,
    Amend,
    Answer,
    Decision,
    Forget,
    ForgetPerson,
    Leave,
    Mute,
    Say,
    Silence,
)
from bridge.domain.events import Message, MessageKind, RoomEvent
from bridge.domain.history import Said
from bridge.domain.ids import EventId, UserId
from bridge.domain.room import Room
from bridge.policy import reasons
from bridge.policy.decide import decide, interrupts, wish_to_be_forgotten
from bridge.policy.remember import said_of
from bridge.policy.view import View
from tests.policy.builders import (
    ALICE,
    BOB,
    BRIDGE,
    CAROL,
    CAST,
    LUNA,
    MILO,
    NOVA,
    NOW,
    SERVER,
    dm,
    edit,
    encrypted,
    membership,
    message,
    reaction,
    redaction,
    room,
    said,
    state,
    view,
)

HOUR_MS = 3_600_000
LIMIT_MS = 600_000
OF_LUNA = said(LUNA)
OPEN = Access(own_server=SERVER, ask=Rule(allow=("*",)))


def why(seen: View, event: RoomEvent, now: int = NOW) -> str:
    """The reason of a silence."""
    (decision,) = decide(seen, event, now)
    assert isinstance(decision, Silence)
    return decision.reason


def answers(seen: View, event: RoomEvent, now: int = NOW) -> list[str]:
    decisions = decide(seen, event, now)
    assert all(isinstance(d, Answer) for d in decisions), decisions
    return [d.puppet_id for d in decisions if isinstance(d, Answer)]


def test_a_question_is_answered_where_and_to_whom_it_was_asked() -> None:
    assert decide(view(), message("Luna, hi", thread="$root"), NOW) == (
        Answer(
            puppet_id=LUNA.puppet_id,
            cause_id=message("").event_id,
            asker=ALICE,
            reason="named",
            thread_root=message("", thread="$root").thread_root,
        ),
    )


def test_each_addressed_puppet_answers_in_the_order_named() -> None:
    assert answers(view(), message("Nova and Luna, hi")) == ["nova", "luna"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (message("Luna, hi", sender=LUNA.user_id), "own_message"),
        (message("Luna, hi", sender=NOVA.user_id), "own_message"),
        (message("Luna, hi", kind="notice"), "foreign_notice"),
        (message("Luna, hi", kind="notice", mentions=[LUNA]), "foreign_notice"),
        (message("Luna, stop", kind="notice"), "foreign_notice"),
        (message("!ai help", kind="notice"), "foreign_notice"),
        (message("Luna, hi", is_ai=True), "foreign_ai"),
        (message("!ai help", is_ai=True), "foreign_ai"),
        (message("and you?", is_ai=True, reply_to=OF_LUNA, mentions=[LUNA]), "foreign_ai"),
        (message("good night everybody"), "not_addressed"),
        (message("@bob hi", mentions=[BOB]), "somebody_else_addressed"),
        (message("!weather Lisbon"), "foreign_command"),
        (message("!weather @luna", mentions=[LUNA]), "foreign_command"),
        (message("Luna, hi", sender=CAROL), "not_allowed_to_ask"),
    ],
)
def test_reasons_for_silence(sent: Message, reason: str) -> None:
    assert why(view(None, OF_LUNA), sent) == reason


@pytest.mark.parametrize("kind", ["text", "emote"])
def test_a_message_that_was_taken_back_before_its_turn_asks_nothing(kind: MessageKind) -> None:
    assert why(view(dm()), message("", kind=kind)) == "empty"
    assert answers(view(), message("", kind="image", mentions=[LUNA])) == ["luna"]


@pytest.mark.parametrize("sender", [ALICE, CAROL])
@pytest.mark.parametrize("now", [NOW, NOW + 9 * LIMIT_MS])
def test_anybody_is_forgotten_who_wants_it_however_late(sender: UserId, now: int) -> None:
    rule = Rule(allow=("*",), deny=("*",))
    seen = view(access=Access(own_server=SERVER, ask=rule))
    wish = message("!ai forget", sender=sender)
    (decision,) = decide(seen, wish, now)
    assert isinstance(decision, ForgetPerson)
    assert (decision.person, decision.reason) == (sender, "command_forget")
    assert decision.proof and decision.proof.reply_to == wish.event_id
    assert wish_to_be_forgotten(seen, wish) == decision
    assert said_of(wish, room(), CAST, (decision,)).is_context is False


def test_where_nothing_may_be_written_people_are_forgotten_in_silence() -> None:
    (decision,) = decide(view(room(is_encrypted=None)), message("!ai forget"), NOW)
    assert isinstance(decision, ForgetPerson)
    assert decision.proof is None


def test_other_events_are_no_wish_to_be_forgotten() -> None:
    for event in (message("Luna, hi"), message("!ai help"), message("!ai forget", kind="notice")):
        assert wish_to_be_forgotten(view(), event) is None
    assert wish_to_be_forgotten(view(room(puppets=[])), message("!ai forget")) is None


def test_nobody_answers_who_is_not_there() -> None:
    assert why(view(room(puppets=[])), message("Luna, hi")) == "nobody_here"


def test_another_ai_is_answered_only_where_it_mentions() -> None:
    assert answers(view(), message("@luna hi", is_ai=True, mentions=[LUNA])) == ["luna"]
    sent = message("Nova, ask @luna", is_ai=True, mentions=[LUNA])
    assert answers(view(), sent) == ["luna"]
    assert why(view(dm()), message("hello there", is_ai=True)) == "foreign_ai"


@pytest.mark.parametrize(
    ("sent_ago", "received_ago", "age_ms", "is_late"),
    [
        (0, 0, None, False),
        (LIMIT_MS, 0, None, False),
        (LIMIT_MS + 1, 0, None, True),
        (LIMIT_MS + 1, LIMIT_MS + 1, None, True),
        (5000, 0, LIMIT_MS + 1, True),
        (2 * LIMIT_MS, 0, 1000, False),
        (0, LIMIT_MS, 1, True),
        (0, LIMIT_MS, 0, False),
        (-10 * LIMIT_MS, 0, None, False),
        (-10 * LIMIT_MS, LIMIT_MS + 1, None, True),
        (0, 0, -10 * LIMIT_MS, False),
        (0, LIMIT_MS + 1, -10 * LIMIT_MS, True),
        (0, -50, None, False),
    ],
)
def test_late_messages_are_context(
    sent_ago: int, received_ago: int, age_ms: int | None, is_late: bool
) -> None:
    sent = message(
        "@luna hi",
        mentions=[LUNA],
        sent_at=NOW - sent_ago,
        received_at=NOW - received_ago,
        age_ms=age_ms,
    )
    if is_late:
        assert why(view(), sent) == "late"
        assert why(view(), replace(sent, text="!ai help", mentions=None)) == "late"
    else:
        assert answers(view(), sent) == ["luna"]


def test_the_clock_of_another_server_alone_makes_no_message_late() -> None:
    there = UserId("@dora:far.example")
    open_to_all = view(access=Access(own_server=SERVER, ask=Rule(allow=("*",))))
    sent = message("@luna hi", mentions=[LUNA], sender=there, sent_at=NOW - 2 * LIMIT_MS)
    assert answers(open_to_all, replace(sent, received_at=NOW, age_ms=None)) == ["luna"]
    assert why(open_to_all, replace(sent, received_at=NOW, age_ms=2 * LIMIT_MS)) == "late"
    waited = replace(sent, received_at=NOW - LIMIT_MS - 1, age_ms=None)
    assert why(open_to_all, waited) == "late"


def test_a_stop_mutes_for_an_hour_and_is_acknowledged() -> None:
    mute, seen = decide(view(), message("Luna, stop", sender=CAROL), NOW + 50)
    assert mute == Mute(
        puppet_id=LUNA.puppet_id,
        cause_id=message("").event_id,
        until=NOW + HOUR_MS,
        reason="stop_word",
    )
    assert isinstance(seen, Acknowledge)
    assert seen.puppet_id == "luna"


def test_a_stop_is_honoured_however_late_and_from_whomever() -> None:
    denied = Access(own_server=SERVER, ask=Rule(deny=("*",)))
    sent = message("Luna, stop", sent_at=NOW - 10 * LIMIT_MS)
    assert isinstance(decide(view(access=denied), sent, NOW)[0], Mute)


def test_two_are_muted_by_one_message() -> None:
    decisions = decide(view(), message("Luna and Nova, stop"), NOW)
    assert [type(d) for d in decisions] == [Mute, Mute, Acknowledge, Acknowledge]


def test_a_muted_puppet_is_silent_and_the_others_are_not() -> None:
    seen = view(room(muted=[LUNA]))
    assert why(seen, message("Luna, are you there?")) == "muted"
    assert answers(seen, message("Luna and Nova, hi")) == ["nova"]
    assert answers(seen, message("Luna, hi"), NOW + 60_000 - 1 + 1) == ["luna"]


def test_a_muted_puppet_is_silent_in_a_dm_but_obeys_commands() -> None:
    muted = replace(dm(), muted_until={LUNA.puppet_id: NOW + 1})
    assert why(view(muted), message("hello?")) == "muted"
    (decision,) = decide(view(muted), message("!ai help"), NOW)
    assert isinstance(decision, Say)


def test_a_stop_sign_mutes_the_author_of_the_message() -> None:
    (mute,) = decide(view(None, OF_LUNA), reaction("$earlier", "🛑", sender=CAROL), NOW)
    assert isinstance(mute, Mute)
    assert (mute.puppet_id, mute.reason, mute.until) == ("luna", "stop_reaction", NOW + HOUR_MS)


def test_other_reactions_do_nothing() -> None:
    assert why(view(None, OF_LUNA), reaction("$earlier", "👍")) == "reaction"
    assert why(view(None, said(ALICE)), reaction("$earlier", "🛑")) == "reaction"
    own = reaction("$earlier", "🛑", sender=NOVA.user_id)
    assert why(view(None, OF_LUNA), own) == "own_message"


def test_an_edit_corrects_and_asks_nothing() -> None:
    seen = view(None, said(ALICE, "Luna, whats up?", "$one"))
    (amend,) = decide(seen, edit("$one", "Luna, what's up?"), NOW)
    assert isinstance(amend, Amend)
    assert (amend.target, amend.text, amend.reason) == ("$one", "Luna, what's up?", "edit")


def test_only_the_author_edits() -> None:
    seen = view(None, said(ALICE, "x", "$one"))
    assert why(seen, edit("$one", "y", sender=BOB)) == "edit_by_another"
    assert why(seen, edit("$two", "y")) == "edit_of_unknown"
    assert why(seen, edit("$one", "y", sender=LUNA.user_id)) == "own_message"


@pytest.mark.parametrize("is_encrypted", [False, None, True])
def test_what_is_redacted_is_forgotten_everywhere(is_encrypted: bool | None) -> None:
    (forget,) = decide(view(room(is_encrypted=is_encrypted)), redaction("$one", sender=BOB), NOW)
    assert isinstance(forget, Forget)
    assert (forget.target, forget.reason) == ("$one", "redacted")


def test_a_command_is_answered_by_one_puppet_and_reaches_no_model() -> None:
    decisions = decide(view(), message("!ai help"), NOW)
    assert [type(d) for d in decisions] == [Say]


def test_commands_answer_strangers_but_not_those_shut_out() -> None:
    assert isinstance(decide(view(), message("!ai privacy", sender=CAROL), NOW)[0], Say)
    denied = Access(own_server=SERVER, ask=Rule(allow=("*",), deny=("far.example",)))
    sent = message("!ai privacy", sender=CAROL)
    assert why(view(access=denied), sent) == "not_allowed_to_ask"


def test_people_of_other_servers_are_answered_where_that_is_allowed() -> None:
    assert answers(view(access=OPEN), message("Luna, hi", sender=CAROL)) == ["luna"]


def test_the_bridge_user_points_to_its_help_and_never_generates() -> None:
    for seen, sent in (
        (view(dm(BRIDGE)), message("what is love?")),
        (view(room(puppets=[BRIDGE])), message("Bridge, what is love?")),
    ):
        (decision,) = decide(seen, sent, NOW)
        assert isinstance(decision, Say)
        assert (decision.sentence, decision.reason) == ("bridge_help", "bridge_spoken_to")
    assert why(view(room(puppets=[BRIDGE])), message("what is love?")) == "not_addressed"
    assert why(view(dm(BRIDGE)), message("hello", sender=CAROL)) == "not_allowed_to_ask"


def test_the_bridge_user_leaves_the_word_to_a_character() -> None:
    seen = view(room(puppets=[BRIDGE, LUNA]))
    assert answers(seen, message("Bridge and Luna, hi")) == ["luna"]


@pytest.mark.parametrize(
    ("event", "reason"), [(encrypted(), "unreadable"), (state("m.room.name"), "state")]
)
def test_other_events_are_only_noted(event: RoomEvent, reason: str) -> None:
    assert why(view(), event) == reason


@pytest.mark.parametrize(
    ("of", "reason"),
    [(room(is_encrypted=None), "encryption_unknown"), (room(is_space=True), "space")],
)
def test_nothing_is_written_where_it_must_not_be(of: Room, reason: str) -> None:
    assert why(view(of), message("Luna, hi")) == reason
    assert why(view(of), message("!ai help")) == reason


def test_a_stop_counts_where_nothing_may_be_written() -> None:
    decisions = decide(view(room(is_encrypted=None)), message("Luna, stop"), NOW)
    assert [type(d) for d in decisions] == [Mute]


CAUSE = message("").event_id


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (redaction(CAUSE, sender=BOB), "redacted"),
        (redaction("$other"), None),
        (edit(CAUSE, "Luna, stop"), None),
        (message("Luna, stop", sender=BOB), "stop_word"),
        (message("Luna and Nova, stop"), "stop_word"),
        (message("Nova, stop"), None),
        (message("stop"), None),
        (message("stop", reply_to=OF_LUNA), "stop_word"),
        (message("Luna, stop", kind="notice"), None),
        (message("Luna, stop", sender=NOVA.user_id), None),
        (message("Luna, another question"), None),
        (reaction("$earlier", "🛑"), "stop_reaction"),
        (reaction("$earlier", "👍"), None),
        (reaction("$earlier", "🛑", sender=NOVA.user_id), None),
        (reaction("$unknown", "🛑"), None),
        (membership(LUNA, "leave", sender=ALICE), "removed"),
        (membership(LUNA, "ban", sender=ALICE), "removed"),
        (membership(LUNA, "join"), None),
        (membership(NOVA, "leave"), None),
        (membership(ALICE, "leave"), None),
        (state("m.room.encryption"), "encrypted"),
        (state("m.room.name"), None),
        (encrypted(), None),
    ],
)
def test_what_interrupts_a_turn(event: RoomEvent, reason: str | None) -> None:
    assert interrupts(view(None, OF_LUNA), LUNA.puppet_id, CAUSE, event) == reason


def test_a_bare_stop_interrupts_in_a_dm() -> None:
    assert interrupts(view(dm()), LUNA.puppet_id, CAUSE, message("stop")) == "stop_word"


PIECES = st.sampled_from(
    [
        "Luna",
        "luna",
        "露娜",
        "ルナ",
        "لونا",
        "Nova",
        "Bridge",
        "@",
        "@ai_luna:home.example",
        "Bob",
        " ",
        "\n",
        ", ",
        ": ",
        "，",
        "、",
        '"',
        "「",
        "」",
        "`",
        "```",
        "> ",
        "!ai",
        "help",
        "stop",
        "停",
        "やめて",
        "توقف",
        "and",
        "和",
        "hey",
        "'s",
        "[",
        "](https://x)",
        "\u200b",
        "\ufffc",
        "🛑",
        "(AI)",
    ]
)
TEXTS = st.text(max_size=120) | st.lists(PIECES, max_size=14).map("".join)
ROOMS = st.sampled_from(
    [
        room(),
        room(puppets=[LUNA, NOVA, MILO, BRIDGE]),
        room(puppets=[]),
        room(muted=[LUNA]),
        room(people={ALICE: "", BOB: "Luna"}),
        dm(),
        dm(BRIDGE),
        room(is_encrypted=None),
        room(is_encrypted=True),
        room(is_space=True),
        replace(dm(), is_encrypted=None),
    ]
)
MESSAGES = st.builds(
    message,
    TEXTS,
    sender=st.sampled_from([ALICE, BOB, CAROL, LUNA.user_id]),
    mentions=st.none() | st.lists(st.sampled_from([LUNA, NOVA, BRIDGE, BOB]), max_size=3),
    pills=st.lists(st.sampled_from([LUNA, NOVA]), max_size=2),
    reply_to=st.sampled_from([None, "$earlier", "$unknown"]),
    thread=st.sampled_from([None, "$root"]),
    kind=st.sampled_from(["text", "notice", "emote", "image", "other"]),
    is_ai=st.booleans(),
)
EVENTS = MESSAGES | st.sampled_from(
    [
        edit("$earlier", "Luna, hi"),
        redaction("$earlier"),
        reaction("$earlier", "🛑"),
        state("m.room.encryption"),
        encrypted(),
        membership(BOB, "join"),
        membership(LUNA, "join"),
        membership(BRIDGE, "join"),
        membership(LUNA, "invite", sender=ALICE, is_direct=True),
        membership(LUNA, "leave"),
    ]
)
LINES = st.sampled_from([OF_LUNA, said(ALICE), said(NOVA), said(BRIDGE)])
CODES = {code for name, code in vars(reasons).items() if name.isupper()}


@given(ROOMS, LINES, EVENTS)
def test_every_event_has_decisions_with_a_known_reason(
    of: Room, line: Said, event: RoomEvent
) -> None:
    seen = view(of, line, access=OPEN)
    decisions = decide(seen, event, NOW)
    assert decisions
    assert {d.reason for d in decisions} <= CODES
    assert interrupts(seen, LUNA.puppet_id, CAUSE, event) in {None, *CODES}


@given(ROOMS, LINES, EVENTS)
def test_nothing_is_ever_written_into_a_room_that_may_not_be_written_to(
    of: Room, line: Said, event: RoomEvent
) -> None:
    if not of.may_be_written_to():
        assert not any(_is_written(d) for d in decide(view(of, line, access=OPEN), event, NOW))


@given(ROOMS, LINES, MESSAGES)
def test_no_notice_leads_to_an_answer(of: Room, line: Said, sent: Message) -> None:
    notice = replace(sent, content_kind="notice")
    decisions = decide(view(of, line, access=OPEN), notice, NOW)
    assert all(isinstance(d, Silence | Leave) for d in decisions)


@given(ROOMS, LINES, EVENTS)
def test_a_puppet_does_each_thing_once_per_event(of: Room, line: Said, event: RoomEvent) -> None:
    decisions = decide(view(of, line, access=OPEN), event, NOW)
    keys = [(type(d), getattr(d, "puppet_id", ""), getattr(d, "ordinal", "")) for d in decisions]
    assert len(keys) == len(set(keys))


@given(ROOMS, LINES, MESSAGES)
def test_only_joined_characters_answer(of: Room, line: Said, sent: Message) -> None:
    joined = {p.puppet_id for p in (LUNA, NOVA, MILO) if of.has_joined(p.user_id)}
    decisions = decide(view(of, line, access=OPEN), sent, NOW)
    assert {d.puppet_id for d in decisions if isinstance(d, Answer)} <= joined


def _is_written(decision: Decision) -> bool:
    return isinstance(decision, Answer | Say | Acknowledge)


def test_a_stop_by_command_interrupts_whom_it_is_for() -> None:
    cause = message("Luna, hello").event_id
    for text, who in (("!ai stop", "ln"), ("!ai stop nova", "n"), ("!ai help", ""), ("stop", "")):
        later = replace(message(text, sender=BOB), event_id=EventId("$later"))
        for puppet in (LUNA, NOVA):
            is_stopped = interrupts(view(), puppet.puppet_id, cause, later) is not None
            assert is_stopped is (puppet.puppet_id[0] in who), (text, puppet.puppet_id)
