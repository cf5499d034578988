from __future__ import annotations

from tests.lab.stores import clock, database_url, postgres, store

__all__ = ["clock", "database_url", "postgres", "store"]
