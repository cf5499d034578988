"""The oracle sees each kind of badness, and nothing where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.oracle import BUSY, LIVE_KEY, TXN_KEY, Question, Verdict, judge, mark

ROOM, ALICE, BOB = "!room", "@alice", "@bob"
LUNA, MILO = "@ai_luna", "@ai_milo"
Event = dict[str, Any]


def asked(n: int, *, by: str = ALICE, of: tuple[str, ...] = (LUNA,), at_s: float = 0) -> Question:
    return Question(
        event_id=f"$q{n}", room_id=ROOM, sender=by, nonce=f"q{n}", asked=of, at_s=at_s or 10.0 * n
    )


def question(n: int, by: str = ALICE) -> Event:
    return {"event_id": f"$q{n}", "sender": by, "type": "m.room.message", "content": {"body": "?"}}


def answer(
    n: int, *, by: str = LUNA, body: str = "", part: str = "0", turn: str = "", copy: str = ""
) -> Event:
    turn = turn or f"{by}{n}"
    content: Event = {"body": body or mark(f"q{n}", 1, 1, 1), TXN_KEY: f"{turn}.{part}"}
    if part in ("0", "e"):
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": f"$q{n}"}}
    return {
        "event_id": f"$a{turn}{part}{copy}",
        "sender": by,
        "type": "m.room.message",
        "content": content,
    }


def edit(event: Event, new: Event) -> Event:
    relation = {"rel_type": "m.replace", "event_id": event["event_id"]}
    content = {"body": "* …", "m.new_content": new, "m.relates_to": relation}
    return {**event, "event_id": f"{event['event_id']}-edit", "content": content}


def redacted(event: Event) -> Event:
    return event | {"content": {}, "original": event["content"]}


def verdict(questions: list[Question], *timeline: Event) -> Verdict:
    return judge(questions, {ROOM: timeline}, [LUNA, MILO])


def test_answers_in_order_and_each_once_are_good() -> None:
    seen = verdict([asked(1), asked(2)], question(1), question(2), answer(1), answer(2))
    assert seen.is_good
    assert seen.answered == 2


def test_a_question_without_an_answer_is_lost() -> None:
    seen = verdict([asked(1), asked(2)], question(1), question(2), answer(2))
    assert len(seen.lost) == 1
    assert not seen.is_good


def test_each_of_two_puppets_must_answer() -> None:
    both = [asked(1, of=(LUNA, MILO))]
    assert verdict(both, question(1), answer(1)).lost
    assert verdict(both, question(1), answer(1), answer(1, by=MILO)).is_good


def test_an_error_sentence_and_an_hourglass_are_outcomes() -> None:
    sorry = answer(1, body="I can't reach my AI model.", part="e")
    assert verdict([asked(1)], question(1), sorry).notices == 1
    busy = {
        "event_id": "$r",
        "sender": LUNA,
        "type": "m.reaction",
        "content": {"m.relates_to": {"event_id": "$q1", "key": BUSY}},
    }
    assert verdict([asked(1)], question(1), busy).is_good


def test_an_answer_that_was_redacted_is_none() -> None:
    assert verdict([asked(1)], question(1), redacted(answer(1))).lost


def test_a_second_answer_is_a_duplicate_unless_it_was_taken_back() -> None:
    second = answer(1, copy="again")
    assert verdict([asked(1)], question(1), answer(1), second).duplicate
    seen = verdict([asked(1)], question(1), answer(1), redacted(second))
    assert seen.is_good
    assert seen.retracted == 1


def test_an_answer_says_what_its_newest_edit_says() -> None:
    begun = answer(1, body="Well. …")
    begun["content"][LIVE_KEY] = {}
    whole = edit(begun, {"body": mark("q1", 1, 1, 1)})
    assert verdict([asked(1)], question(1), begun, whole).is_good
    assert verdict([asked(1)], question(1), begun).half_finished
    again = edit(begun, {"body": mark("q1", 1, 1, 1), LIVE_KEY: {}})
    assert verdict([asked(1)], question(1), begun, again).half_finished


def test_a_part_that_stands_twice_is_a_duplicate() -> None:
    parts = [
        answer(1, body=mark("q1", 1, 1, 2)),
        answer(1, body=mark("q1", 1, 2, 2), part="s1"),
        answer(1, body=mark("q1", 1, 2, 2), part="s1", copy="again"),
    ]
    assert verdict([asked(1)], question(1), *parts).duplicate


def test_an_answer_after_that_to_a_later_question_is_out_of_order() -> None:
    both = [asked(1), asked(2)]
    seen = verdict(both, question(1), question(2), answer(2), answer(1))
    assert seen.out_of_order


def test_a_copy_taken_back_is_out_of_order_only_where_something_came_between() -> None:
    both, copy = [asked(1), asked(2)], redacted(answer(1, copy="again"))
    early = verdict(both, question(1), question(2), answer(1), copy, answer(2))
    late = verdict(both, question(1), question(2), answer(1), answer(2), copy)
    assert early.is_good
    assert late.out_of_order


@pytest.mark.parametrize(
    "bodies",
    [
        ("no mark at the end", "none here either"),
        (mark("q1", 1, 1, 3), mark("q1", 1, 2, 3)),
        (mark("q1", 1, 1, 2), mark("q1", 2, 2, 2)),
        (mark("q9", 1, 1, 2), mark("q9", 1, 2, 2)),
        (mark("q1", 1, 2, 2), mark("q1", 1, 1, 2)),
    ],
)
def test_an_answer_that_is_not_whole_and_of_one_piece_is_half_finished(
    bodies: tuple[str, str],
) -> None:
    first, second = bodies
    parts = answer(1, body=first), answer(1, body=second, part="s1")
    assert verdict([asked(1)], question(1), *parts).half_finished


def test_the_answer_to_a_burst_covers_all_of_it() -> None:
    burst = [asked(1, at_s=1.0), asked(2, at_s=1.9), asked(3, at_s=2.8)]
    timeline = [question(1), question(2), question(3)]
    assert verdict(burst, *timeline, answer(3)).is_good
    assert verdict(burst, *timeline, answer(2)).lost


def test_people_share_no_burst() -> None:
    two = [asked(1, at_s=1.0), asked(2, by=BOB, at_s=1.5)]
    assert verdict(two, question(1), question(2, BOB), answer(2)).lost
