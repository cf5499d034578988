"""Effects to JSON of the homeserver."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.domain.effect import EditText, React, Redact, SendText
from bridge.domain.ids import EventId, TxnId
from bridge.domain.vendor import AI_KEY, LIVE_KEY, TXN_KEY
from bridge.matrix.render import MAX_CONTENT_BYTES, render
from bridge.policy.live import LIVE_EDITS, is_worth_showing, unfinished, whole_part
from tests.matrix.making import ALICE, puppet

TXN = TxnId("turn.0")


def _text_of(effect: SendText) -> dict[str, Any]:
    kind, content = render(effect, TXN, puppet())
    assert kind == "m.room.message"
    return content


def _edit_of(new: SendText) -> dict[str, Any]:
    kind, content = render(EditText(target=EventId("$it"), new=new), TXN, puppet())
    assert kind == "m.room.message"
    return content


def test_a_message_says_who_made_it_and_mentions_nobody_by_itself() -> None:
    content = _text_of(SendText(text="Hi Alice", is_generated=True, model="qwen3:8b", hops=2))
    assert content == {
        "msgtype": "m.text",
        "body": "Hi Alice",
        "m.mentions": {},
        AI_KEY: {"generated": True, "persona": "luna", "model": "qwen3:8b", "hops": 2},
        TXN_KEY: "turn.0",
    }


def test_a_notice_with_mentions() -> None:
    content = _text_of(SendText(text="Hi", is_notice=True, mentions=(ALICE,)))
    assert content["msgtype"] == "m.notice"
    assert content["m.mentions"] == {"user_ids": [ALICE]}


def test_html_is_there_only_when_it_adds_something() -> None:
    assert "formatted_body" not in _text_of(SendText(text="plain & simple"))
    content = _text_of(SendText(text="**bold**"))
    assert content["format"] == "org.matrix.custom.html"
    assert content["formatted_body"] == "<p><strong>bold</strong></p>"
    assert content["body"] == "**bold**"


def test_a_reply_a_thread_and_a_reply_in_a_thread() -> None:
    asked, root = EventId("$asked"), EventId("$root")
    in_reply = {"m.in_reply_to": {"event_id": "$asked"}}
    in_thread = {"rel_type": "m.thread", "event_id": "$root"}
    assert _text_of(SendText(text="x", reply_to=asked))["m.relates_to"] == in_reply
    assert _text_of(SendText(text="x", thread_root=root))["m.relates_to"] == in_thread
    both = _text_of(SendText(text="x", reply_to=asked, thread_root=root))["m.relates_to"]
    assert both == in_reply | in_thread | {"is_falling_back": False}
    assert "m.relates_to" not in _text_of(SendText(text="x"))


def test_content_too_large_for_its_html_goes_without_it() -> None:
    content = _text_of(SendText(text="<" * 14_000 + "**b**"))
    assert "formatted_body" not in content
    assert "format" not in content
    assert len(json.dumps(content).encode()) <= MAX_CONTENT_BYTES


@given(
    st.lists(
        st.text(max_size=30) | st.sampled_from(["\x00" * 99, "&" * 99, "- `a`\n", "> ", "**🙂**"]),
        max_size=300,
    ).map("".join)
)
@settings(max_examples=100, deadline=None)
def test_no_part_of_an_answer_is_too_large_for_an_event(text: str) -> None:
    part = text.encode()[:6_000].decode(errors="ignore")
    content = _text_of(SendText(text=part, is_generated=True, mentions=(ALICE,) * 5))
    assert content["body"] == part
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_CONTENT_BYTES


def test_text_of_a_model_that_is_no_unicode_is_replaced() -> None:
    content = _text_of(SendText(text="**a\ud83d**"))
    assert (content["body"], content["formatted_body"]) == (
        "**a?**",
        "<p><strong>a?</strong></p>",
    )


def test_a_reaction_and_a_redaction() -> None:
    kind, content = render(React(target=EventId("$it"), key="👍"), TXN, puppet())
    assert kind == "m.reaction"
    assert content["m.relates_to"] == {"rel_type": "m.annotation", "event_id": "$it", "key": "👍"}
    kind, content = render(Redact(target=EventId("$it"), reason="twice"), TXN, puppet())
    assert kind == "m.room.redaction"
    assert (content["redacts"], content["reason"]) == ("$it", "twice")
    assert "reason" not in render(Redact(target=EventId("$it")), TXN, puppet())[1]


def test_an_edit_carries_the_whole_new_message_and_calls_nobody() -> None:
    new = SendText(
        text="**Bold** now.", is_generated=True, model="m", reply_to=EventId("$q"),
        mentions=(ALICE,), hops=2, bounces_left=3,
    )  # fmt: skip
    content = _edit_of(new)
    assert content["m.relates_to"] == {"rel_type": "m.replace", "event_id": "$it"}
    assert content["body"] == "* **Bold** now."
    inner = content["m.new_content"]
    assert inner["body"] == "**Bold** now."
    assert "<strong>Bold</strong>" in inner["formatted_body"]
    assert "m.relates_to" not in inner
    assert content["m.mentions"] == inner["m.mentions"] == {}
    assert content[AI_KEY] == inner[AI_KEY] == {
        "generated": True, "persona": "luna", "model": "m", "hops": 2,
    }  # fmt: skip
    assert content["m.bounce_limit"] == inner["m.bounce_limit"] == 3
    assert content[TXN_KEY] == TXN


def test_the_mark_of_a_live_message_is_in_it_and_in_its_edits_and_gone_at_the_end() -> None:
    live = SendText(text="So far …", is_generated=True, is_live=True)
    whole = SendText(text="So far so good.", is_generated=True)
    assert _text_of(live)[LIVE_KEY] == {}
    assert _edit_of(live)[LIVE_KEY] == _edit_of(live)["m.new_content"][LIVE_KEY] == {}
    assert LIVE_KEY not in json.dumps(_edit_of(whole))


def test_only_the_last_edit_repeats_all_for_clients_that_know_no_edits() -> None:
    text = "word " * 100
    assert _edit_of(SendText(text=text))["body"] == f"* {text}"
    live = _edit_of(SendText(text=text, is_live=True))
    assert len(live["body"]) < 100
    assert live["m.new_content"]["body"] == text


@pytest.mark.parametrize("end", range(700, 1001, 50))
def test_a_reply_of_a_kilobyte_that_is_shown_live_is_few_events_and_bytes(end: int) -> None:
    """However fast it is written, and wherever it is cut: 8 events and 12 kB are the most."""
    whole = "".join(f"- **{n}.** Tides & moons, <i>again</i>.\n" for n in range(40))[:end]
    draft, shown, sizes = "", "", list[int]()

    def send(content: dict[str, Any]) -> None:
        sizes.append(len(json.dumps(content, ensure_ascii=False).encode()))

    for char in whole:
        draft += char
        text = unfinished(whole_part(draft))
        if len(sizes) <= LIVE_EDITS and is_worth_showing(text, shown):
            live = SendText(text=text, is_generated=True, model="gemma3:27b", is_live=True)
            send(_edit_of(live) if shown else _text_of(live))
            shown = text
    send(_edit_of(SendText(text=whole, is_generated=True, model="gemma3:27b")))
    assert len(sizes) <= 6
    assert sum(sizes) <= 12_000


def test_an_edit_too_large_for_its_html_goes_without_it() -> None:
    content = _edit_of(SendText(text="<" * 6000 + "*x*"))
    assert len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_CONTENT_BYTES
