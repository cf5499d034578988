"""Every Prometheus metric of ours, declared once. No room or user ids as labels."""

from __future__ import annotations

from prometheus_client import REGISTRY as REGISTRY
from prometheus_client import Counter, Gauge, Histogram

EVENTS_RECEIVED = Counter("bridge_events_received_total", "Events stored by ingest", ["kind"])
EVENTS_MALFORMED = Counter("bridge_events_malformed_total", "Events kept aside by ingest")
EVENTS_POISON = Counter("bridge_events_poison_total", "Events set aside after repeated crashes")
EVENTS_MISSED = Counter(
    "bridge_events_missed_total", "Events that the homeserver did not send and rooms asked it for"
)
TRANSACTIONS = Counter("bridge_transactions_total", "Homeserver transactions", ["outcome"])
DECISIONS = Counter("bridge_decisions_total", "What policy chose", ["decision", "reason"])
GATE_CALLS = Counter("bridge_gate_calls_total", "Times a model was asked who should speak")
MEDIA = Counter(
    "bridge_media_total", "Pictures looked at and voices listened to", ["kind", "outcome"]
)
TOOL_CALLS = Counter("bridge_tool_calls_total", "Calls of tools by models", ["tool", "outcome"])
SUMMARIES = Counter("bridge_summaries_total", "Summaries of rooms", ["outcome"])
TURNS = Counter("bridge_turns_total", "Turns that ended", ["outcome"])
TURN_SECONDS = Histogram("bridge_turn_seconds", "From a turn's start to its last effect")
ENGINE_ERRORS = Counter("bridge_engine_errors_total", "Engine failures", ["code"])
ENGINE_TOKENS = Counter("bridge_engine_tokens_total", "Tokens as the engine counts", ["direction"])
PULLS = Counter("bridge_pulls_total", "Downloads of models that ended", ["outcome"])
WARM_UPS = Counter("bridge_warm_ups_total", "Models loaded before anybody asked", ["outcome"])
MODEL_LOADS = Counter("bridge_model_loads_total", "Times a model had to be loaded", ["cause"])
ENGINE_RETRIES = Counter("bridge_engine_retries_total", "Calls tried once more", ["code"])
ENGINE_WAIT_SECONDS = Histogram(
    "bridge_engine_wait_seconds", "From asking an engine to a call's turn", ["urgency"]
)
SENDS = Counter("bridge_sends_total", "Effects sent to the homeserver", ["kind", "outcome"])
ROOMS_ACTIVE = Gauge("bridge_rooms_active_count", "Rooms being worked on now")
INVARIANTS_BROKEN = Gauge(
    "bridge_invariants_broken_count", "Rows that break what must always hold", ["invariant"]
)
EFFECTS_REFUSED = Counter(
    "bridge_effects_refused_total", "Effects that the homeserver refused for good", ["errcode"]
)
