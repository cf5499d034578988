"""Read by the type checker only: our adapters satisfy their ports."""

from __future__ import annotations

from bridge import ports
from bridge.store.store import Store


def as_port(store: Store) -> ports.Store:
    return store
