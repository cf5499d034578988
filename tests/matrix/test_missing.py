"""A transaction that the homeserver left out is asked for, once, by refusing the one behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from bridge.clock import FakeClock
from bridge.matrix.ingest import DOUBT_S, EARLY_ENDS, EARLY_S, Ingest
from bridge.store.store import Store
from tests.lab.stores import database_url, postgres, store
from tests.matrix.making import is_ours, message

__all__ = ["database_url", "postgres", "store"]

AUTH = {"Authorization": "Bearer hs_secret"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ingest(store: Store, clock: FakeClock) -> Ingest:
    return Ingest(
        appservice_id="bridge",
        hs_token="hs_secret",
        deliver=store.mailbox.deliver,
        clock=clock,
        is_ours=is_ours,
    )


@pytest_asyncio.fixture
async def client(ingest: Ingest) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(ingest.app())) as made:
        yield made


async def put(client: TestClient[Any, Any], txn_id: object) -> int:
    event = message(f"number {txn_id}") | {"event_id": f"${txn_id}"}
    answer = await client.put(
        f"/_matrix/app/v1/transactions/{txn_id}", json={"events": [event]}, headers=AUTH
    )
    return answer.status


async def stored(store: Store) -> list[str]:
    async with store.database.reading() as connection:
        rows = await connection.fetch("SELECT event_id FROM inbox ORDER BY seq")
    return [row["event_id"] for row in rows]


async def test_transactions_in_order_are_taken_and_so_are_repeated_ones(
    client: TestClient[Any, Any], ingest: Ingest
) -> None:
    assert [await put(client, n) for n in (7, 8, 8, 9, 7, 8)] == [200] * 6
    assert not ingest.refused.is_set()


async def test_one_that_was_left_out_comes_first_when_the_next_is_refused(
    client: TestClient[Any, Any], ingest: Ingest, store: Store
) -> None:
    assert [await put(client, n) for n in (1, 3)] == [200, 503]
    assert ingest.refused.is_set()
    assert [await put(client, n) for n in (2, 3)] == [200, 200]
    assert await stored(store) == ["$1", "$2", "$3"]


async def test_a_number_that_never_existed_holds_up_nothing(
    client: TestClient[Any, Any], store: Store
) -> None:
    """Synapse on PostgreSQL numbers the transactions of all appservices together."""
    assert [await put(client, n) for n in (1, 5, 5, 6)] == [200, 503, 200, 200]
    assert await stored(store) == ["$1", "$5", "$6"]


async def test_long_after_a_start_a_gap_means_nothing(
    client: TestClient[Any, Any], clock: FakeClock
) -> None:
    assert await put(client, 1) == 200
    clock.shift(round(DOUBT_S * 1000) + 1)
    assert [await put(client, n) for n in (5, 9)] == [200, 200]


async def test_numbers_that_begin_anew_are_taken(client: TestClient[Any, Any]) -> None:
    assert [await put(client, n) for n in (41, 1, 2, 3)] == [200] * 4


@pytest.mark.parametrize("txn_id", ["abc", "9" * 400, "-3", "٣"])
async def test_ids_that_are_no_numbers_are_taken(client: TestClient[Any, Any], txn_id: str) -> None:
    assert await put(client, 1) == 200
    assert await put(client, txn_id) == 200
    assert await put(client, 2) == 200


async def test_another_process_that_takes_in_knows_the_last_number(
    client: TestClient[Any, Any], store: Store, clock: FakeClock
) -> None:
    assert await put(client, 1) == 200
    other = Ingest(
        appservice_id="bridge",
        hs_token="hs_secret",
        deliver=store.mailbox.deliver,
        clock=clock,
        is_ours=is_ours,
    )
    async with TestClient(TestServer(other.app())) as second:
        assert await put(second, 2) == 200
    assert await put(client, 3) == 200


@pytest.fixture
def troubles(ingest: Ingest) -> list[None]:
    found: list[None] = []
    ingest.on_trouble = lambda: found.append(None)
    return found


async def ended(client: TestClient[Any, Any]) -> None:
    """The homeserver's connections end, and we have noticed."""
    await client.session.close()
    await asyncio.sleep(0.1)


@pytest.mark.parametrize(("after_s", "is_trouble"), [(2, True), (EARLY_S + 1, False)])
async def test_a_connection_that_ends_soon_after_a_transaction_may_have_ended_with_its_homeserver(
    client: TestClient[Any, Any],
    troubles: list[None],
    clock: FakeClock,
    after_s: float,
    is_trouble: bool,
) -> None:
    assert await put(client, 1) == 200
    assert await put(client, 2) == 200
    clock.shift(round(after_s * 1000))
    assert not troubles
    await ended(client)
    assert len(troubles) == is_trouble


async def test_a_connection_that_was_to_bring_one_request_means_nothing(
    client: TestClient[Any, Any], troubles: list[None]
) -> None:
    headers = AUTH | {"Connection": "close"}
    answer = await client.put("/_matrix/app/v1/transactions/1", json={}, headers=headers)
    assert answer.status == 200
    await ended(client)
    assert not troubles


async def test_a_proxy_that_closes_connections_early_is_heeded_ten_times(
    ingest: Ingest, troubles: list[None]
) -> None:
    async with TestServer(ingest.app()) as server:
        for n in range(1, EARLY_ENDS + 4):
            async with aiohttp.ClientSession() as session:
                url = server.make_url(f"/_matrix/app/v1/transactions/{n}")
                async with session.put(url, json={}, headers=AUTH) as answer:
                    assert answer.status == 200
            await asyncio.sleep(0.05)
    assert len(troubles) == EARLY_ENDS
