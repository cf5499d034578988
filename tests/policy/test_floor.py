"""What the last messages say about who may speak."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.decision import Answer, Configure
from bridge.domain.history import Said
from bridge.domain.ids import EventId, UserId
from bridge.policy import reasons
from bridge.policy.decide import decide
from bridge.policy.floor import (
    MAX_UNASKED,
    PAIR_ANSWERS,
    ai_share,
    repeats_itself,
    unasked_run,
)
from bridge.policy.remember import said_of
from bridge.policy.view import View
from tests.policy.builders import ALICE, BOB, CAST, LUNA, NOVA, NOW, message, room, said, view

BOT = UserId("@bot:far.example")


def line(kind: str, n: int) -> Said:
    """h: a person, a: an answer to one, u: said unasked, f: a foreign AI, n: a program's notice."""
    match kind:
        case "h":
            return said(ALICE, f"words {n}", f"${n}")
        case "a":
            return replace(said(LUNA, f"words {n}", f"${n}"), reason=reasons.NAMED)
        case "u":
            return replace(said(LUNA, f"words {n}", f"${n}"), reason=reasons.OPEN_QUESTION)
        case "f":
            return replace(said(BOT, f"words {n}", f"${n}"), is_ai=True)
        case _:
            return replace(said(BOT, f"words {n}", f"${n}"), is_notice=True)


def lines(kinds: str) -> tuple[Said, ...]:
    return tuple(line(kind, n) for n, kind in enumerate(kinds))


@pytest.mark.parametrize(
    ("kinds", "run"),
    [("", 0), ("h", 0), ("ha", 0), ("hau", 1), ("huff", 3), ("hufh", 0), ("hunf", 2), ("uuu", 3)],
)
def test_what_no_person_asked_for_is_counted_since_the_last_human_message(
    kinds: str, run: int
) -> None:
    assert unasked_run(lines(kinds)) == run


def test_an_answer_to_a_machine_was_asked_for_by_nobody() -> None:
    assert unasked_run((*lines("h"), replace(line("a", 5), hops=1))) == 1


def test_a_foreign_ai_that_replies_to_a_person_was_asked() -> None:
    reply = replace(line("f", 5), reply_to=EventId("$0"))
    assert unasked_run((*lines("h"), reply)) == 0


@pytest.mark.parametrize(("kinds", "share"), [("", 0), ("hh", 0), ("hahf", 0.5), ("nnha", 0.5)])
def test_the_share_is_that_of_ais_among_what_is_said(kinds: str, share: float) -> None:
    assert ai_share(lines(kinds)) == share


def test_a_puppet_that_says_much_the_same_again_repeats_itself() -> None:
    recent = (said(LUNA, "The moon is a rock, and it is far away.", "$1"), *lines("hh"))
    assert repeats_itself("The moon is a rock and it is far away!", recent, LUNA.user_id)
    assert not repeats_itself("Tea is better than coffee.", recent, LUNA.user_id)
    assert not repeats_itself("The moon is a rock and it is far away!", recent, NOVA.user_id)


@given(st.lists(st.sampled_from("hbB"), min_size=1, max_size=40), st.data())
def test_no_sequence_makes_puppets_exceed_the_budgets_with_bots(
    speakers: list[str], data: st.DataObject
) -> None:
    """b: a marked bot mentions Luna; B: it only says her name; h: a person talks."""
    recent: tuple[Said, ...] = ()
    to_bot = in_a_row = 0
    for n, who in enumerate(speakers):
        is_bot = who in "bB"
        asked = message(
            f"Luna, number {n}?" if is_bot else data.draw(st.sampled_from(["hm", "so then"])),
            sender=BOT if is_bot else BOB,
            mentions=[LUNA] if who == "b" else [],
            is_ai=is_bot,
            received_at=NOW + n * 1000,
        )
        asked = replace(asked, event_id=EventId(f"$m{n}"))
        seen: View = replace(view(room(people=(ALICE, BOB, BOT))), recent=recent)
        decisions = decide(seen, asked, NOW + n * 1000)
        recent = (*recent, said_of(asked, seen.room, CAST, decisions))
        in_a_row = in_a_row if is_bot else 0
        for answer in decisions:
            if isinstance(answer, Answer):
                to_bot += 1
                in_a_row += 1
                assert who == "b"
                own = replace(said(LUNA, f"answer {n}", f"$a{n}"), sent_at=NOW + n * 1000)
                reply = replace(own, reason=answer.reason, hops=answer.hops)
                recent = (*recent, replace(reply, reply_to=asked.event_id))
        recent = recent[-50:]
        # The bot's own messages count, too: nobody can tell who began.
        assert in_a_row <= MAX_UNASKED
    assert to_bot <= PAIR_ANSWERS


@given(
    st.text(max_size=60),
    st.sampled_from(["!ai level silent", "!ai settings share 90", "!ai level luna chatty", ""]),
)
def test_no_setting_changes_by_anyone_without_the_power(text: str, command: str) -> None:
    for words in (f"{command} {text}", f"{text} {command}", f"@luna {command}"):
        decisions = decide(view(), message(words, sender=BOB), NOW)
        assert not any(isinstance(d, Configure) for d in decisions)
