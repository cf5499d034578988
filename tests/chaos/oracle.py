"""Judges a run. It knows what people sent and what the timelines hold, and nothing of the bridge.

A question's outcome is a reply of the puppet that was asked, or its ⏳. The model of these runs
writes in each reply which question it answers, a generation number and how many chunks there are,
so that a reply in parts shows whether it is whole and of one piece.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Event = Mapping[str, Any]

BURST_S: Final = 1.5
"""One person's questions with shorter pauses and nobody in between are one: a burst."""

BUSY: Final = "⏳"
TXN_KEY: Final = "io.github.matrix-ai-bridge.txn"
LIVE_KEY: Final = "org.matrix.msc4357.live"
_MARK: Final = re.compile(r"\[(?P<nonce>\w+) g(?P<generation>\d+) (?P<number>\d+)/(?P<of>\d+)\]")


def mark(nonce: str, generation: int, number: int, of: int) -> str:
    """What the model of these runs ends a chunk of its reply with."""
    return f"[{nonce} g{generation} {number}/{of}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`asked`: the puppets (user ids) that must answer. `at_s`: when it was sent."""

    event_id: str
    room_id: str
    sender: str
    nonce: str
    asked: tuple[str, ...]
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`retracted`: later copies that were redacted. `notices`: outcomes without a model's words.
    `shown_live`: messages that were edited while they were written."""

    answered: int = 0
    notices: int = 0
    lost: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()
    out_of_order: tuple[str, ...] = ()
    half_finished: tuple[str, ...] = ()
    retracted: int = 0
    shown_live: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.duplicate or self.out_of_order or self.half_finished)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """A puppet's message. `position`: in its room's timeline."""

    position: int
    sender: str
    event_id: str
    target: str
    turn: str
    ordinal: str
    body: str
    is_redacted: bool
    is_live: bool

    @property
    def is_root(self) -> bool:
        return bool(self.target)


def judge(
    questions: Sequence[Question], timelines: Mapping[str, Sequence[Event]], puppets: Iterable[str]
) -> Verdict:
    """`timelines`: every event of each room in order, a redacted one without its content but with
    its id; `originals` of redacted events are not needed: their place and sender tell enough."""
    puppets = frozenset(puppets)
    rooms: defaultdict[str, list[Question]] = defaultdict(list)
    for question in questions:
        rooms[question.room_id].append(question)
    verdicts = [
        _judge_room(asked, timelines.get(room_id, ()), puppets) for room_id, asked in rooms.items()
    ]
    return Verdict(
        answered=sum(v.answered for v in verdicts),
        notices=sum(v.notices for v in verdicts),
        lost=tuple(x for v in verdicts for x in v.lost),
        duplicate=tuple(x for v in verdicts for x in v.duplicate),
        out_of_order=tuple(x for v in verdicts for x in v.out_of_order),
        half_finished=tuple(x for v in verdicts for x in v.half_finished),
        retracted=sum(v.retracted for v in verdicts),
        shown_live=sum(v.shown_live for v in verdicts),
    )


def _judge_room(
    questions: Sequence[Question], timeline: Sequence[Event], puppets: frozenset[str]
) -> Verdict:
    places = {str(event["event_id"]): place for place, event in enumerate(timeline)}
    edits = _newest_edits(timeline, puppets)
    said = [s for place, event in enumerate(timeline) if (s := _said(event, place, puppets, edits))]
    busy = {
        (str(event["sender"]), _relation(event).get("event_id"))
        for event in timeline
        if event["type"] == "m.reaction" and _relation(event).get("key") == BUSY
    }
    lost: list[str] = []
    duplicate: list[str] = []
    half: list[str] = []
    answered = notices = 0
    covered_by = _bursts(questions, places)
    answers: defaultdict[tuple[str, str], list[_Said]] = defaultdict(list)
    turns: defaultdict[str, list[_Said]] = defaultdict(list)
    for each in said:
        turns[each.turn].append(each)
        if each.target:
            answers[each.sender, each.target].append(each)
    for question in questions:
        for puppet in question.asked:
            roots = answers.get((puppet, question.event_id), [])
            visible = [s for s in roots if not s.is_redacted]
            what = f"{question.nonce} by {puppet} in {question.room_id}"
            if not visible and (puppet, question.event_id) not in busy:
                heir = covered_by.get(question.event_id)
                covering = answers.get((puppet, heir or ""), [])
                if all(s.is_redacted for s in covering):
                    lost.append(what)
                continue
            answered += 1
            if len(visible) > 1:
                duplicate.append(what)
            for root in visible[:1]:
                parts = [s for s in turns[root.turn] if not s.is_redacted]
                problem = _incomplete(question.nonce, parts)
                notices += problem == "notice"
                if problem not in ("", "notice"):
                    half.append(f"{what}: {problem}")
    again = Counter((s.turn, s.ordinal) for s in said if not s.is_redacted and s.turn)
    duplicate += [
        f"{turn}.{part}" for (turn, part), n in again.items() if n > 1 and part not in ("0", "e")
    ]
    return Verdict(
        answered=answered,
        notices=notices,
        lost=tuple(lost),
        duplicate=tuple(duplicate),
        out_of_order=tuple(_out_of_order(questions, said, places)),
        half_finished=tuple(half),
        retracted=sum(s.is_redacted for s in said),
        shown_live=len(edits),
    )


def _out_of_order(
    questions: Sequence[Question], said: Sequence[_Said], places: Mapping[str, int]
) -> Iterable[str]:
    """Answers, redacted ones too, that came after the answer to a later question.

    A copy that a crash left is posted before anything that follows; one that comes later is the
    work of somebody who should have stopped.
    """
    by_id = {question.event_id: question for question in questions}
    roots = [s for s in said if s.target in by_id]
    newest: dict[str, int] = {}
    for root in sorted(roots, key=lambda s: s.position):
        place = places.get(root.target, -1)
        if place < newest.get(root.sender, -1):
            yield f"{by_id[root.target].nonce} by {root.sender} at {root.position}"
        newest[root.sender] = max(place, newest.get(root.sender, -1))


def _bursts(questions: Sequence[Question], places: Mapping[str, int]) -> dict[str, str]:
    """For each question of a burst but the last: the last."""
    order = sorted(questions, key=lambda q: places.get(q.event_id, -1))
    heirs: dict[str, str] = {}
    for before, after in zip(reversed(order[:-1]), reversed(order[1:]), strict=True):
        is_burst = before.sender == after.sender and after.at_s - before.at_s < BURST_S
        if is_burst and before.asked == after.asked:
            heirs[before.event_id] = heirs.get(after.event_id, after.event_id)
    return heirs


def _incomplete(nonce: str, parts: Sequence[_Said]) -> str:
    """What is wrong with the parts of an answer: "" for nothing, "notice" for a fixed sentence."""
    if any(part.is_live for part in parts):
        return "shown as if it were still being written"
    text = "\n".join(part.body for part in sorted(parts, key=lambda s: s.position))
    marks = list(_MARK.finditer(text))
    if not marks:
        return "notice" if len(parts) == 1 and text.strip() else "no end"
    if {m["nonce"] for m in marks} != {nonce}:
        return "the answer to another question"
    if len({m["generation"] for m in marks}) > 1:
        return "of two generations"
    of = int(marks[0]["of"])
    if [int(m["number"]) for m in marks] != list(range(1, of + 1)):
        return f"chunks {[int(m['number']) for m in marks]} of {of}"
    return ""


def _newest_edits(
    timeline: Sequence[Event], puppets: frozenset[str]
) -> dict[str, Mapping[str, Any]]:
    """What puppets' messages say since they were edited."""
    return {
        str(relation["event_id"]): event["content"].get("m.new_content") or {}
        for event in timeline
        if event["sender"] in puppets
        and (relation := _relation(event)).get("rel_type") == "m.replace"
    }


def _said(
    event: Event, position: int, puppets: frozenset[str], edits: Mapping[str, Mapping[str, Any]]
) -> _Said | None:
    if event["sender"] not in puppets or event["type"] != "m.room.message":
        return None
    content: Mapping[str, Any] = event.get("original") or event["content"]
    relation = content.get("m.relates_to") or {}
    if relation.get("rel_type") == "m.replace":
        return None
    seen = edits.get(str(event["event_id"]), content)
    turn, _, ordinal = str(content.get(TXN_KEY, "")).partition(".")
    return _Said(
        position=position,
        sender=str(event["sender"]),
        event_id=str(event["event_id"]),
        target=str((relation.get("m.in_reply_to") or {}).get("event_id", "")),
        turn=turn,
        ordinal=ordinal,
        body=str(seen.get("body", "")),
        is_redacted=not event["content"],
        is_live=LIVE_KEY in seen,
    )


def _relation(event: Event) -> Mapping[str, Any]:
    return event["content"].get("m.relates_to") or {}
