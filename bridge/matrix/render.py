"""Effects to JSON of the homeserver. Pure."""

from __future__ import annotations

import json
from typing import Final, assert_never

from bridge.domain.effect import EditText, Effect, React, Redact, SendText
from bridge.domain.ids import TxnId
from bridge.domain.persona import Puppet
from bridge.domain.vendor import AI_KEY, LIVE_KEY, TXN_KEY
from bridge.matrix.markdown import to_html
from bridge.matrix.wire import BOUNCES, text_of

MAX_CONTENT_BYTES: Final = 60_000
"""An event holds 64 KiB; signatures, hashes and ids take the rest."""

_FALLBACK_CHARS: Final = 80
"""Of an edit that others will follow: only clients that know no edits show it, and the last one."""

Content = dict[str, object]


def render(effect: Effect, txn_id: TxnId, puppet: Puppet) -> tuple[str, Content]:
    """Event type and content of an effect. A content too large for its HTML goes without it."""
    match effect:
        case SendText():
            content = {**_text(effect), **_marks(puppet, effect), TXN_KEY: txn_id}
            if relation := _relation(effect):
                content["m.relates_to"] = relation
            return "m.room.message", _within_size(content, content)
        case EditText():
            return "m.room.message", _edit(effect, txn_id, puppet)
        case React():
            return "m.reaction", {
                "m.relates_to": {
                    "rel_type": "m.annotation",
                    "event_id": effect.target,
                    "key": effect.key,
                },
                **_marks(puppet),
                TXN_KEY: txn_id,
            }
        case Redact():
            return "m.room.redaction", {
                "redacts": effect.target,
                **({"reason": effect.reason} if effect.reason else {}),
                **_marks(puppet),
                TXN_KEY: txn_id,
            }
        case _:
            assert_never(effect)


def _edit(effect: EditText, txn_id: TxnId, puppet: Puppet) -> Content:
    """An edit (spec: event replacements). It calls nobody, whomever the message called."""
    new = {**_text(effect.new), **_marks(puppet, effect.new), "m.mentions": {}}
    body = text_of(effect.new.text)
    if effect.new.is_live and len(body) > _FALLBACK_CHARS:
        body = f"{body[:_FALLBACK_CHARS].rstrip()} …"
    content: Content = {
        "msgtype": new["msgtype"],
        "body": f"* {body}",
        "m.mentions": {},
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": effect.target},
        **_marks(puppet, effect.new),
        TXN_KEY: txn_id,
    }
    return _within_size(content, new)


def _text(effect: SendText) -> Content:
    text = text_of(effect.text)
    content: Content = {
        "msgtype": "m.notice" if effect.is_notice else "m.text",
        "body": text,
        "m.mentions": {"user_ids": list(effect.mentions)} if effect.mentions else {},
    }
    if html := to_html(text):
        content["format"] = "org.matrix.custom.html"
        content["formatted_body"] = html
    return content


def _within_size(content: Content, formatted: Content) -> Content:
    size = len(json.dumps(content, ensure_ascii=False).encode())
    if "format" in formatted and size > MAX_CONTENT_BYTES:
        del formatted["format"], formatted["formatted_body"]
    return content


def _relation(effect: SendText) -> Content:
    relation: Content = {}
    if effect.thread_root:
        relation |= {"rel_type": "m.thread", "event_id": effect.thread_root}
    if effect.reply_to:
        relation["m.in_reply_to"] = {"event_id": effect.reply_to}
        if effect.thread_root:
            relation["is_falling_back"] = False
    return relation


def _marks(puppet: Puppet, said: SendText | None = None) -> Content:
    """What programs read: that an AI wrote this, and how far it may go on."""
    marks: Content = {
        AI_KEY: {
            "generated": said is not None and said.is_generated,
            "persona": puppet.persona.persona_id,
            "model": said.model if said else "",
            "hops": said.hops if said else 0,
        }
    }
    if said is not None and said.is_live:
        marks[LIVE_KEY] = {}
    if said is not None and said.bounces_left is not None:
        marks[BOUNCES] = said.bounces_left
    return marks
