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

LIVE_KEY: Final = "org.matrix.msc4357.live"
"""In event content: the message is still being written (MSC4357). Not ours; set while it is."""

LIVE_STATES: Final = ("m.room.live_messaging", "org.matrix.msc4357.live_messaging")
"""Room state (MSC4357): `{"enabled": false}` where no message is to be shown before its end."""

BOT_FLAG: Final = "dev.nordgedanken.msc4015"
"""In profiles: the proposed flag of programs (MSC4015). Not ours; set and believed."""
