"""A homeserver that answers what tests tell it to, and our side of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from bridge.matrix.homeserver import MatrixHomeserver
from tests.matrix.answers import Answers


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Answers]:
    async with Answers() as made:
        yield made


@pytest_asyncio.fixture
async def homeserver(server: Answers) -> AsyncIterator[MatrixHomeserver]:
    made = MatrixHomeserver(url=server.url, as_token="secret")
    yield made
    await made.close()
