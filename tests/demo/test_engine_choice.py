"""Which engine the demo takes, and what it asks before it downloads anything."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from bridge.demo.engine_choice import Ask, EngineChoice, choose_engine
from bridge.engine.models import SUGGESTED
from bridge.errors import SetupError
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel

LABEL = "demo engine, no AI model connected"


class Somebody:
    """A person at the terminal who answers every question alike."""

    def __init__(self, answer: bool) -> None:
        self._answer = answer
        self.questions: list[str] = []

    async def __call__(self, question: str) -> bool:
        self.questions.append(question)
        return self._answer


class Screen(Console):
    def __init__(self) -> None:
        self.paper = StringIO()
        super().__init__(file=self.paper, width=120, force_terminal=True, color_system=None)


async def choose(
    url: str, wanted: str = "", *, ask: Ask | None = None, screen: Screen | None = None
) -> EngineChoice:
    return await choose_engine(
        wanted, console=screen or Screen(), ask=ask, environ={"OLLAMA_HOST": url}
    )


def pulled(ollama: FakeOllama) -> list[str]:
    return [str(seen.body["model"]) for seen in ollama.seen if seen.path == "/api/pull"]


async def test_without_an_ollama_the_demo_engine_answers_and_says_where_none_is() -> None:
    choice = await choose("127.0.0.1:1")
    assert (choice.kind, choice.label, choice.model) == ("demo", LABEL, "")
    assert "http://127.0.0.1:1" in choice.reason


async def test_a_model_that_was_asked_for_is_never_replaced_by_the_demo_engine() -> None:
    with pytest.raises(SetupError, match=r"no Ollama at http://127\.0\.0\.1:1 .*ollama serve"):
        await choose("127.0.0.1:1", "gemma3:4b")


async def test_of_several_models_one_is_chosen_and_the_others_are_named() -> None:
    names = ("tiny:1b", "middle:4b", "codellama:7b")
    models = tuple(FakeModel(name=n, size_bytes=(i + 1) * 10**9) for i, n in enumerate(names))
    async with FakeOllama(models=models) as ollama:
        choice = await choose(ollama.url)
        assert (choice.kind, choice.label, choice.model) == ("ollama", "middle:4b", "middle:4b")
        assert choice.url == ollama.url
        assert "codellama:7b, tiny:1b (--model chooses)" in choice.reason
        assert (await choose(ollama.url, "tiny:1b")).model == "tiny:1b"


async def test_a_pull_is_offered_with_its_size_and_shows_its_progress_after_a_yes() -> None:
    somebody, screen = Somebody(True), Screen()
    async with FakeOllama(models=()) as ollama:
        choice = await choose(ollama.url, ask=somebody, screen=screen)
        assert pulled(ollama) == [SUGGESTED.name]
    assert (choice.kind, choice.model) == ("ollama", SUGGESTED.name)
    assert len(somebody.questions) == 1
    assert f"{SUGGESTED.name} (about 3.3 GB)" in somebody.questions[0]
    assert f"Downloading {SUGGESTED.name}" in screen.paper.getvalue()
    assert "1.1/1.1 kB" in screen.paper.getvalue()


async def test_after_a_no_nothing_is_downloaded_and_the_demo_engine_is_named() -> None:
    async with FakeOllama(models=()) as ollama:
        choice = await choose(ollama.url, ask=Somebody(False))
        assert pulled(ollama) == []
    assert (choice.kind, choice.label) == ("demo", LABEL)
    assert "ollama pull" in choice.reason


async def test_where_nobody_is_at_a_terminal_nothing_is_downloaded() -> None:
    async with FakeOllama(models=()) as ollama:
        choice = await choose(ollama.url)
        assert pulled(ollama) == []
    assert choice.kind == "demo"


async def test_a_missing_model_that_was_asked_for_is_offered_and_otherwise_an_error() -> None:
    async with FakeOllama() as ollama:
        for ask in (None, Somebody(False)):
            with pytest.raises(SetupError, match="ollama pull other:7b"):
                await choose(ollama.url, "other:7b", ask=ask)
        assert pulled(ollama) == []
        choice = await choose(ollama.url, "other:7b", ask=Somebody(True))
        assert pulled(ollama) == ["other:7b"]
    assert choice.model == "other:7b"


async def test_a_model_that_runs_at_its_vendors_is_never_chosen_unasked() -> None:
    somebody = Somebody(False)
    async with FakeOllama(models=(FakeModel(name="big:cloud"),)) as ollama:
        assert (await choose(ollama.url, ask=somebody)).kind == "demo"
        assert "big:cloud (--model chooses)" in somebody.questions[0]
        assert (await choose(ollama.url, "big:cloud")).model == "big:cloud"


async def test_a_pull_that_breaks_is_told_and_nothing_stands_in_for_it() -> None:
    async with FakeOllama(models=()) as ollama:
        ollama.pull_is_cut = True
        with pytest.raises(SetupError, match="could not be downloaded"):
            await choose(ollama.url, ask=Somebody(True))
