"""The keys of ours that federate for ever: chosen once, never renamed."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "io.github.matrix-ai-bridge"

AI_KEY: Final = f"{PREFIX}.ai"
"""In event content and in profiles: this is written by an AI.

Event: `{"generated": true, "persona": str, "model": str, "hops": int}`; `generated` is false for
fixed sentences (help, notices). Profile: `{"persona": str, "operator": str}`.
"""

TXN_KEY: Final = f"{PREFIX}.txn"
"""In event content: the transaction id it was sent with, so that its echo confirms the outbox."""

BOT_FLAG: Final = "dev.nordgedanken.msc4015"
"""In profiles: the proposed flag of programs (MSC4015). Not ours; set and believed."""
