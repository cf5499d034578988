from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from aiohttp import web

from bridge.engine import models
from bridge.engine.models import (
    COMFORTABLE_BYTES,
    ModelInfo,
    all_models,
    chat_models,
    choose,
    choose_model,
    describe,
    inventory,
    probe,
    pull,
    version,
)
from bridge.engine.ollama import OllamaEngine
from bridge.errors import (
    DiskFull,
    EngineBroken,
    EngineError,
    EngineTimeout,
    EngineUnreachable,
    LibraryUnreachable,
    ModelMissing,
)
from tests.engine.asking import ask
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel

ZOO = (
    FakeModel(name="gemma3:12b", capabilities=("completion", "vision"), size_bytes=8_000_000_000),
    FakeModel(name="deep:4b", capabilities=("completion", "thinking", "tools")),
    FakeModel(name="nomic-embed-text:latest", capabilities=("embedding",), family="nomic-bert"),
    FakeModel(name="old:7b", capabilities=None),
    FakeModel(name="old-embed:1b", capabilities=None, family="bert"),
    FakeModel(name="painter:1b", capabilities=("image",)),
)


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama(models=ZOO) as ollama:
        yield ollama


def info(name: str, gb: float, *capabilities: str, is_remote: bool = False) -> ModelInfo:
    return ModelInfo(
        name=name,
        size_bytes=int(gb * 1e9),
        capabilities=capabilities or ("completion",),
        is_remote=is_remote,
    )


# -- what a server has


async def test_only_models_that_can_chat_are_chat_models(fake: FakeOllama) -> None:
    found = await chat_models(fake.url)
    assert [model.name for model in found] == ["deep:4b", "gemma3:12b", "old:7b"]
    assert found[1].size_bytes == 8_000_000_000
    assert found[1].capabilities == ("completion", "vision")
    assert len(await all_models(fake.url)) == len(ZOO)


async def test_a_server_without_models_has_none() -> None:
    async with FakeOllama(models=()) as empty:
        assert await chat_models(empty.url) == []


async def test_a_description_says_what_a_model_can_do_and_how_it_is_loaded(
    fake: FakeOllama,
) -> None:
    before = await describe(fake.url, "gemma3:12b")
    assert (before.max_ctx, before.loaded_ctx) == (32_768, 0)
    assert before.quantization == "Q4_K_M"
    assert "vision" in before.info.capabilities
    engine = OllamaEngine(fake.url, model="gemma3:12b", num_ctx=4096)
    await ask(engine)
    await engine.close()
    assert (await describe(fake.url, "gemma3:12b")).loaded_ctx == 4096


async def test_a_model_that_is_not_there_cannot_be_described(fake: FakeOllama) -> None:
    with pytest.raises(ModelMissing, match="ollama pull absent"):
        await describe(fake.url, "absent")


# -- choosing


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ([info("small:1b", 1), info("mid:8b", 5), info("mid:12b", 8)], "mid:12b"),
        ([info("mid:8b", 5), info("huge:70b", 40)], "mid:8b"),
        ([info("huge:70b", 40), info("large:32b", 20)], "large:32b"),
        ([info("chat:4b", 3), info("raw:8b-text", 5), info("raw:8b-base", 5)], "chat:4b"),
        ([info("chat:4b", 3), info("some-coder:7b", 5)], "chat:4b"),
        ([info("some-coder:7b", 5), info("raw:8b-base", 5)], "some-coder:7b"),
        ([info("chat:4b", 3), info("giant:cloud", 0.1), info("giant:1t-cloud", 9)], "giant:cloud"),
        ([info("b:4b", 3), info("a:4b", 3)], "a:4b"),
        ([info("embed:1b", 9, "embedding"), info("chat:4b", 3)], "chat:4b"),
    ],
)
def test_the_best_model_for_chat_is_chosen_in_any_order(found: list[ModelInfo], best: str) -> None:
    remote = [model for model in found if "cloud" in model.name]
    if remote:
        found = [m for m in found if m not in remote] + [
            info(m.name, m.size_bytes / 1e9, is_remote=True) for m in remote
        ]
        best = "chat:4b"
    assert choose_model(found) == best
    assert choose_model(list(reversed(found))) == best


@pytest.mark.parametrize("wanted", ["gemma3:12b", "GEMMA3:12B", "nova", "giant:cloud"])
def test_the_wanted_model_is_taken_whatever_else_there_is(wanted: str) -> None:
    found = [
        info("gemma3:12b", 8),
        info("nova:latest", 1),
        info("other:8b", 9),
        info("giant:cloud", 0, is_remote=True),
    ]
    assert choose_model(found, wanted).lower().startswith(wanted.lower())


def test_nothing_stands_in_for_the_wanted_model() -> None:
    with pytest.raises(ModelMissing, match="it has: gemma3:12b"):
        choose_model([info("gemma3:12b", 8)], "gemma3:4b")


@pytest.mark.parametrize("found", [[], [info("giant:cloud", 0, is_remote=True)]])
def test_without_a_model_of_its_own_nothing_is_chosen(found: list[ModelInfo]) -> None:
    with pytest.raises(ModelMissing, match="ollama pull"):
        choose_model(found)


def test_the_choice_says_why() -> None:
    few = [info("a:1b", 1)]
    large = [info("a:70b", 40), info("b:70b", 50)]
    assert "only" in choose(few).reason
    assert "largest" in choose([*few, info("b:1b", 2)]).reason
    assert "smallest" in choose(large).reason
    assert "configured" in choose(few, "a:1b").reason
    assert COMFORTABLE_BYTES == 10 * 10**9


async def test_models_at_their_vendor_are_known_by_name() -> None:
    cloud = FakeModel(name="giant:480b-cloud", size_bytes=380)
    async with FakeOllama(models=(cloud,)) as fake:
        assert (await chat_models(fake.url))[0].is_remote


# -- reaching it


async def test_probe_and_version_know_an_ollama(fake: FakeOllama) -> None:
    assert await probe(fake.url)
    assert await version(fake.url) == "0.33.0"


async def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert not await probe(url)
        with pytest.raises(EngineUnreachable):
            await chat_models(url)


async def test_a_name_that_cannot_be_a_host_is_no_ollama() -> None:
    assert not await probe("http://a..b:1")
    with pytest.raises(EngineError):
        await chat_models("http://a..b:1")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "<html>hello</html>", EngineBroken),
        (200, "[1, 2]", EngineBroken),
        (200, '{"models": 5}', EngineBroken),
        (404, "404 page not found", EngineBroken),
        (302, "", EngineBroken),
        (500, '"text"', EngineBroken),
        (401, '{"error": "unauthorized"}', EngineUnreachable),
        (503, '{"error": "busy"}', EngineUnreachable),
    ],
)
async def test_another_server_at_the_address_is_told_apart(
    status: int, body: str, kind: type[EngineError]
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "http://127.0.0.1:1/"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        assert not await probe(url)
        with pytest.raises(EngineError) as caught:
            await chat_models(url)
        assert type(caught.value) is kind
    finally:
        await runner.cleanup()


async def test_a_silent_server_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "PROBE_TIMEOUT_S", 0.2)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(EngineTimeout):
        await version(url)
    server.close()


async def test_the_key_of_the_environment_is_never_sent(
    fake: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "from-the-environment")
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    await chat_models(fake.url)
    await version(fake.url)
    assert all("Authorization" not in seen.headers for seen in fake.seen)
    fake.api_key = "ours"
    with pytest.raises(EngineUnreachable, match="api_key"):
        await chat_models(fake.url)
    assert await chat_models(fake.url, "ours")
    assert await probe(fake.url, "ours")


# -- pulling


async def test_a_pull_tells_its_progress_and_the_model_is_there(fake: FakeOllama) -> None:
    steps = [step async for step in pull(fake.url, "new:1b")]
    assert [step.is_done for step in steps] == [False] * (len(steps) - 1) + [True]
    done = [step.done_bytes for step in steps]
    assert done == sorted(done)
    assert (steps[-1].done_bytes, steps[-1].total_bytes) == (1100, 1100)
    assert "new:1b" in [model.name for model in await chat_models(fake.url)]


async def test_a_model_that_does_not_exist_anywhere_cannot_be_pulled(fake: FakeOllama) -> None:
    fake.pull_error = "pull model manifest: file does not exist"
    with pytest.raises(ModelMissing, match="Check its name"):
        [step async for step in pull(fake.url, "nonsense")]


async def test_a_pull_that_fails_or_just_ends_is_an_error(fake: FakeOllama) -> None:
    fake.pull_is_cut = True
    with pytest.raises(EngineBroken, match="before it was complete"):
        [step async for step in pull(fake.url, "new:1b")]
    fake.pull_error = "something new"
    with pytest.raises(EngineBroken, match="something new"):
        [step async for step in pull(fake.url, "new:1b")]


async def test_a_pull_that_was_cut_goes_on_where_it_stopped(fake: FakeOllama) -> None:
    fake.pull_is_cut = True
    with pytest.raises(EngineBroken):
        [step async for step in pull(fake.url, "new:1b")]
    fake.pull_is_cut = False
    steps = [step async for step in pull(fake.url, "new:1b")]
    assert next(step.done_bytes for step in steps if step.total_bytes) >= 500
    assert steps[-1].is_done


@pytest.mark.parametrize(
    "problem",
    [
        "write /root/.ollama/models/blobs/sha256-a-partial-1: no space left on device",
        "max retries exceeded: write /models/blobs/x: no space left on device",
    ],
)
async def test_a_full_disk_is_told_apart(fake: FakeOllama, problem: str) -> None:
    fake.pull_error = problem
    with pytest.raises(DiskFull, match="disk"):
        [step async for step in pull(fake.url, "new:1b")]


@pytest.mark.parametrize(
    "problem",
    [
        'pull model manifest: Get "https://registry.ollama.ai/v2/library/a/manifests/1b": dial tcp:'
        " lookup registry.ollama.ai on 127.0.0.53:53: no such host",
        'max retries exceeded: Get "https://example.org/blob": EOF',
        'Head "https://registry.ollama.ai/": net/http: TLS handshake timeout',
    ],
)
async def test_a_server_without_network_is_told_apart(fake: FakeOllama, problem: str) -> None:
    fake.pull_error = problem
    with pytest.raises(LibraryUnreachable, match="library"):
        [step async for step in pull(fake.url, "new:1b")]


async def test_an_inventory_tells_sizes_and_what_is_loaded(fake: FakeOllama) -> None:
    await OllamaEngine(fake.url).load("gemma3:12b")
    held = await inventory(fake.url)
    assert [each.name for each in held if each.is_loaded] == ["gemma3:12b"]
    assert all(each.size_bytes for each in held)


async def test_leaving_a_pull_early_is_clean(fake: FakeOllama) -> None:
    async with aclosing(pull(fake.url, "new:1b")) as steps:
        first = await anext(steps)
    assert first.status == "pulling manifest"
