from __future__ import annotations

from bridge.domain.cast import Cast
from bridge.domain.events import Delivery, Echo, Message
from bridge.domain.ids import EventId, RoomId, TxnId, UserId, turn_id
from bridge.policy.missed import answered, missed
from tests.matrix.making import puppet

ROOM = RoomId("!room:example.org")


def message(event_id: str) -> Message:
    return Message(
        event_id=EventId(event_id),
        room_id=ROOM,
        sender=UserId("@alice:example.org"),
        sent_at=1,
        received_at=1,
    )


def found(timeline: str, known: str, already: str = "") -> str:
    events = [message(each) for each in timeline]
    ids = missed(events, {EventId(k) for k in known}, {EventId(a) for a in already})
    return "".join(each.event_id for each in ids)


def test_what_is_newer_than_something_known_and_unknown_was_missed() -> None:
    assert found("abcde", "bd") == "ce"


def test_what_is_older_than_all_that_is_known_may_still_be_on_its_way() -> None:
    assert found("abcde", "d") == "e"


def test_nothing_was_missed_where_all_or_nothing_is_known() -> None:
    assert found("abc", "abc") == ""
    assert found("abc", "") == ""
    assert found("", "x") == ""


def test_what_was_answered_was_not_missed() -> None:
    assert found("abcd", "a", already="c") == "bd"


def test_an_answer_of_ours_is_known_by_its_transaction_id() -> None:
    luna, nova = puppet("luna"), puppet("nova")
    turn = turn_id(ROOM, "b", nova.puppet_id)
    echo = Echo(txn_id=TxnId(f"{turn}.0"), event_id=EventId("x"), room_id=ROOM, sender=nova.user_id)
    seen = Delivery(events=(message("a"), message("b")), echoes=(echo,))
    assert answered(seen, Cast((luna, nova))) == {"b"}
    assert answered(seen, Cast((luna,))) == frozenset()
