"""Who is served first where many wait for a model."""

from __future__ import annotations

from bridge.domain.decision import Answer
from bridge.domain.prompt import Urgency
from bridge.policy import reasons
from bridge.policy.floor import ASKED_BY_A_PERSON


def urgency_of(answer: Answer) -> Urgency:
    """People who speak to a puppet wait for it; nobody waits for what AIs say to one another."""
    if answer.is_unasked or answer.hops or answer.reason not in ASKED_BY_A_PERSON:
        return "unasked"
    return "mention" if answer.reason == reasons.MENTIONED else "reply"
