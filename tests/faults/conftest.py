"""Fixtures of the tests that kill the program."""

from __future__ import annotations

from tests.lab.labs import lab, town, zygote

__all__ = ["lab", "town", "zygote"]
