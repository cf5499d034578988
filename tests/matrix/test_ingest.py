"""What the homeserver sends us: stored, then acknowledged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from bridge import metrics
from bridge.clock import FakeClock
from bridge.domain.events import Delivery, Message
from bridge.errors import DatabaseError
from bridge.matrix.ingest import Ingest
from tests.matrix.making import LUNA, is_ours, message

PATH = "/_matrix/app/v1/transactions/1"
AUTH = {"Authorization": "Bearer hs_secret"}


@dataclass
class Shelf:
    """Where deliveries go, unless it is broken."""

    delivered: list[Delivery] = field(default_factory=list[Delivery])
    problem: Exception | None = None

    async def deliver(self, delivery: Delivery) -> int:
        if self.problem is not None:
            raise self.problem
        self.delivered.append(delivery)
        return len(delivery.events)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def ingest(shelf: Shelf) -> Ingest:
    return Ingest(hs_token="hs_secret", deliver=shelf.deliver, clock=FakeClock(), is_ours=is_ours)


@pytest_asyncio.fixture
async def client(ingest: Ingest) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(TestServer(ingest.app())) as made:
        yield made


def _count(metric: Any, **labels: str) -> float:
    return (metric.labels(**labels) if labels else metric)._value.get()


@pytest.mark.parametrize("path", [PATH, "/transactions/1"])
async def test_a_transaction_is_stored_and_then_acknowledged(
    client: TestClient[Any, Any], shelf: Shelf, path: str
) -> None:
    stored = _count(metrics.TRANSACTIONS, outcome="stored")
    received = _count(metrics.EVENTS_RECEIVED, kind="message")
    answer = await client.put(path, json={"events": [message("hello")]}, headers=AUTH)
    assert (answer.status, await answer.json()) == (200, {})
    (delivery,) = shelf.delivered
    (event,) = delivery.events
    assert isinstance(event, Message)
    assert (event.text, event.received_at) == ("hello", FakeClock().now())
    assert _count(metrics.TRANSACTIONS, outcome="stored") == stored + 1
    assert _count(metrics.EVENTS_RECEIVED, kind="message") == received + 1


async def test_the_same_transaction_id_again_is_stored_again(
    client: TestClient[Any, Any], shelf: Shelf
) -> None:
    """Synapse on SQLite counts them anew after a restart: the event id tells, not this."""
    for _ in range(2):
        assert (await client.put(PATH, json={"events": [message()]}, headers=AUTH)).status == 200
    assert len(shelf.delivered) == 2


async def test_what_was_not_stored_is_not_acknowledged(
    client: TestClient[Any, Any], shelf: Shelf
) -> None:
    shelf.problem = DatabaseError("the disk is full")
    refused = _count(metrics.TRANSACTIONS, outcome="refused")
    received = _count(metrics.EVENTS_RECEIVED, kind="message")
    answer = await client.put(PATH, json={"events": [message()]}, headers=AUTH)
    assert answer.status == 503
    assert (await answer.json())["errcode"] == "M_UNKNOWN"
    assert _count(metrics.TRANSACTIONS, outcome="refused") == refused + 1
    assert _count(metrics.EVENTS_RECEIVED, kind="message") == received
    shelf.problem = None
    assert (await client.put(PATH, json={"events": [message()]}, headers=AUTH)).status == 200


async def test_a_mistake_of_ours_is_not_acknowledged_either(
    client: TestClient[Any, Any], shelf: Shelf
) -> None:
    shelf.problem = RuntimeError("a mistake")
    answer = await client.put(PATH, json={"events": [message()]}, headers=AUTH)
    assert (answer.status, (await answer.json())["errcode"]) == (500, "M_UNKNOWN")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/_matrix/app/v1/nothing", 404), ("POST", PATH, 405), ("GET", "/", 404)],
)
async def test_what_we_do_not_offer_is_refused_in_the_words_of_matrix(
    client: TestClient[Any, Any], method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, headers=AUTH)
    assert (answer.status, (await answer.json())["errcode"]) == (status, "M_UNRECOGNIZED")


async def test_a_transaction_larger_than_any_is_refused_unstored(
    client: TestClient[Any, Any], shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.app is not None
    monkeypatch.setattr(client.app, "_client_max_size", 1 << 20)
    answer = await client.put(PATH, data=b"x" * (2 << 20), headers=AUTH)
    assert (answer.status, (await answer.json())["errcode"]) == (413, "M_TOO_LARGE")
    assert shelf.delivered == []


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[1]", b"null", b'{"events": 5}', b"\xff\xfe", b"[" * 100_000, b'{"a":'],
)
async def test_a_transaction_that_can_never_be_used_is_kept_and_blocks_nothing(
    client: TestClient[Any, Any], shelf: Shelf, body: bytes
) -> None:
    malformed = _count(metrics.EVENTS_MALFORMED)
    answer = await client.put(PATH, data=body, headers=AUTH)
    assert answer.status == 200
    (delivery,) = shelf.delivered
    assert (len(delivery.malformed), delivery.events) == (1, ())
    assert _count(metrics.EVENTS_MALFORMED) == malformed + 1


async def test_malformed_events_are_kept_beside_the_good_ones(
    client: TestClient[Any, Any], shelf: Shelf
) -> None:
    html = {"formatted_body": "<![x[", "format": "org.matrix.custom.html"}
    events = [5, message("first"), message() | {"sender": {}}, message("last", **html)]
    assert (await client.put(PATH, json={"events": events}, headers=AUTH)).status == 200
    (delivery,) = shelf.delivered
    assert [e.text for e in delivery.events if isinstance(e, Message)] == ["first", "last"]
    assert len(delivery.malformed) == 2


async def test_a_transaction_of_many_large_events_fits(
    client: TestClient[Any, Any], shelf: Shelf
) -> None:
    events = [message("x" * 65_000) | {"event_id": f"${n}"} for n in range(100)]
    body = json.dumps({"events": events})
    assert len(body) > 6 << 20
    assert (await client.put(PATH, data=body, headers=AUTH)).status == 200
    assert len(shelf.delivered[0].events) == 100


@pytest.mark.parametrize(
    ("headers", "query", "status", "errcode"),
    [
        ({}, "", 401, "M_MISSING_TOKEN"),
        ({"Authorization": ""}, "", 401, "M_MISSING_TOKEN"),
        ({"Authorization": "Bearer wrong"}, "", 403, "M_FORBIDDEN"),
        ({"Authorization": "Bearer hs_secre"}, "", 403, "M_FORBIDDEN"),
        ({"Authorization": "Bearer sécret"}, "", 403, "M_FORBIDDEN"),
        ({}, "?access_token=wrong", 403, "M_FORBIDDEN"),
        ({"Authorization": "Bearer wrong"}, "?access_token=hs_secret", 403, "M_FORBIDDEN"),
    ],
)
@pytest.mark.parametrize("path", [PATH, "/transactions/1", "/_matrix/app/v1/users/@x:y"])
async def test_nothing_is_done_without_the_token(
    client: TestClient[Any, Any],
    shelf: Shelf,
    headers: dict[str, str],
    query: str,
    status: int,
    errcode: str,
    path: str,
) -> None:
    method = "GET" if "users" in path else "PUT"
    answer = await client.request(method, path + query, json={"events": []}, headers=headers)
    assert (answer.status, (await answer.json())["errcode"]) == (status, errcode)
    assert shelf.delivered == []


async def test_a_token_that_is_no_text_is_a_wrong_one(client: TestClient[Any, Any]) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"PUT %s HTTP/1.1\r\nHost: x\r\n" % PATH.encode())
    writer.write(b"Authorization: Bearer \xff\xfe\r\nContent-Length: 0\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"403"
    writer.close()
    await writer.wait_closed()


async def test_the_token_may_stand_in_the_query(client: TestClient[Any, Any], shelf: Shelf) -> None:
    answer = await client.put(f"{PATH}?access_token=hs_secret", json={"events": []})
    assert answer.status == 200
    assert len(shelf.delivered) == 1


@pytest.mark.parametrize("prefix", ["/_matrix/app/v1", ""])
async def test_puppets_exist_and_others_do_not(client: TestClient[Any, Any], prefix: str) -> None:
    ours = await client.get(f"{prefix}/users/{LUNA}", headers=AUTH)
    assert (ours.status, await ours.json()) == (200, {})
    other = await client.get(f"{prefix}/users/@alice:example.org", headers=AUTH)
    assert (other.status, (await other.json())["errcode"]) == (404, "M_NOT_FOUND")
    room = await client.get(f"{prefix}/rooms/%23x:example.org", headers=AUTH)
    assert (room.status, (await room.json())["errcode"]) == (404, "M_NOT_FOUND")


async def test_a_ping_is_answered(client: TestClient[Any, Any]) -> None:
    answer = await client.post("/_matrix/app/v1/ping", json={}, headers=AUTH)
    assert (answer.status, await answer.json()) == (200, {})
    assert (await client.post("/_matrix/app/v1/ping", json={})).status == 401


async def test_accepting_raises_when_it_was_not_stored(ingest: Ingest, shelf: Shelf) -> None:
    await ingest.accept({"events": [message()]})
    assert len(shelf.delivered) == 1
    shelf.problem = DatabaseError("away")
    with pytest.raises(DatabaseError):
        await ingest.accept({"events": [message()]})


async def test_logs_hold_no_text_of_the_room(
    client: TestClient[Any, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    events = [message("a secret of the room") | {"event_id": 5}]
    await client.put(PATH, json={"events": events}, headers=AUTH)
    await client.put(PATH, data=b'{"a secret of the room', headers=AUTH)
    written = "".join(capfd.readouterr())
    assert "events_malformed" in written
    assert "secret" not in written
