"""Fixtures of the tests of docker/."""

from __future__ import annotations

from tests.lab.stores import postgres

__all__ = ["postgres"]
