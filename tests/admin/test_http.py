from __future__ import annotations

from aiohttp.test_utils import TestClient, TestServer

from bridge.admin.http import Status, application, render

READY = Status(
    is_ready=True,
    waiting_for="",
    version="1.2.3",
    engine="demo engine, no AI model connected",
    homeserver="http://localhost:8008",
    uptime_s=93_784,
    puppets=[("<b>Luna</b> (AI)", "@ai_luna:example.org")],
    figures=[("Rooms joined", "3")],
)
WAITING = Status(
    is_ready=False,
    waiting_for="the homeserver",
    version="1.2.3",
    engine="llama",
    homeserver="http://localhost:8008",
    uptime_s=0,
)


async def get(status: Status, path: str) -> tuple[int, str, str]:
    async def now() -> Status:
        return status

    async with TestClient(TestServer(application(now))) as client:
        response = await client.get(path)
        return response.status, await response.text(), response.headers["Content-Type"]


async def test_health_is_ok_while_the_process_lives_and_ready_says_what_is_missing() -> None:
    assert (await get(WAITING, "/health"))[0] == 200
    code, body, _ = await get(WAITING, "/ready")
    assert code == 503
    assert '"waiting_for": "the homeserver"' in body
    assert (await get(READY, "/ready"))[0] == 200


async def test_metrics_are_prometheus_text() -> None:
    code, body, kind = await get(READY, "/metrics")
    assert code == 200
    assert kind.startswith("text/plain")
    assert "bridge_turns_total" in body


async def test_the_status_page_says_which_engine_answers() -> None:
    code, body, kind = await get(READY, "/status")
    assert code == 200
    assert kind.startswith("text/html")
    assert "demo engine, no AI model connected" in body
    assert "1 d 2 h" in body


def test_the_status_page_escapes_every_value() -> None:
    assert "<b>Luna" not in render(READY)
    assert "&lt;b&gt;Luna" in render(READY)


def test_the_status_page_says_what_it_waits_for() -> None:
    assert "waiting for the homeserver" in render(WAITING)
