from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.decision import Answer
from bridge.domain.ids import EventId, UserId
from bridge.policy.live import LIVE_EDITS, is_worth_showing, may_be_live, unfinished, whole_part
from bridge.policy.reasons import NAMED
from bridge.policy.view import House
from tests.policy.builders import ALICE, CAROL, LUNA, dm, house, room

ANSWER = Answer(puppet_id=LUNA.puppet_id, cause_id=EventId("$q"), asker=ALICE, reason=NAMED)


@pytest.fixture
def here() -> House:
    return house()


def test_small_rooms_of_our_own_server_and_dms_are_shown_live(here: House) -> None:
    assert may_be_live(here, room(people=[ALICE]), ANSWER)
    assert may_be_live(here, dm(person=CAROL), ANSWER)


def test_where_edits_are_dear_nothing_is_shown_live(here: House) -> None:
    many = [UserId(f"@p{n}:{here.access.own_server}") for n in range(8)]
    assert not may_be_live(here, room(people=many), ANSWER)
    assert not may_be_live(here, room(people=(ALICE, CAROL)), ANSWER)
    assert not may_be_live(here, room(people=[ALICE], is_encrypted=True), ANSWER)
    assert not may_be_live(here, room(people=[ALICE], is_encrypted=None), ANSWER)
    assert not may_be_live(here, replace(room(people=[ALICE]), allows_live=False), ANSWER)
    grown = replace(dm(person=CAROL), members=room(people=(ALICE, CAROL)).members)
    assert not may_be_live(here, grown, ANSWER)


def test_what_nobody_waits_for_is_not_shown_live(here: House) -> None:
    assert not may_be_live(here, room(people=[ALICE]), replace(ANSWER, is_unasked=True))
    assert not may_be_live(here, room(people=[ALICE]), replace(ANSWER, hops=1))
    off = replace(here, limits=replace(here.limits, live_after_ms=None))
    assert not may_be_live(off, room(people=[ALICE]), ANSWER)


@pytest.mark.parametrize(
    ("draft", "part"),
    [
        ("", ""),
        ("The moon is", ""),
        ("The moon is full. It ri", "The moon is full."),
        ("It costs 3.5", ""),
        ("See https://example.org/a.b", ""),
        ("“Really?” she said", "“Really?”"),
        ("今天很好。明天", "今天很好。"),
        ("- one\n- two\n- thr", "- one\n- two"),
        ("Wait… no", "Wait…"),
    ],
)
def test_only_whole_sentences_and_lines_are_shown(draft: str, part: str) -> None:
    assert whole_part(draft) == part


def test_what_goes_on_says_so() -> None:
    assert unfinished("The moon.") == "The moon. …"
    assert unfinished("```py\nx = 1\n```") == "```py\nx = 1\n```\n…"


@given(st.lists(st.integers(1, 400), max_size=200))
def test_all_that_is_shown_of_a_reply_is_in_proportion_to_it(pieces: list[int]) -> None:
    draft, shown, parts = "", "", list[str]()
    for piece in pieces:
        draft += "x" * piece
        if len(parts) <= LIVE_EDITS and is_worth_showing(draft, shown):
            shown = draft
            parts.append(draft)
    assert len(parts) + 1 <= 6
    assert sum(map(len, parts)) <= 3 * len(draft)
