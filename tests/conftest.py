"""Fixtures and marks that every test may use."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pytest_asyncio import is_async_test

_ON_REAL_HOMESERVERS = ("e2e", "faults", "lab")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """What a test configures of the logs ends with it."""
    root, ours = logging.getLogger(), logging.getLogger("bridge")
    before = (root.level, list(root.handlers), ours.level)
    yield
    structlog.reset_defaults()
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    ours.setLevel(before[2])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on real homeservers are marked so, and share one event loop with their fixtures."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] not in _ON_REAL_HOMESERVERS:
            continue
        item.add_marker("e2e")
        if is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
