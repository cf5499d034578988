"""What is missing is downloaded after a yes, and never without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bridge.config_file import load
from bridge.doctor.engine import check_engine
from bridge.doctor.finding import Finding, ok
from bridge.doctor.pulling import mend
from bridge.engine.models import SUGGESTED
from bridge.house import build_cast
from tests.fakes.ollama import FakeOllama
from tests.fakes.ollama_stream import FakeModel

OTHERS = [ok("config", "Fine.")]


class Bench:
    """A configuration, its Ollama, and somebody who says yes or no."""

    def __init__(self, folder: Path, ollama: FakeOllama) -> None:
        self.config = folder / "config.yaml"
        self.config.write_text("")
        self.ollama = ollama
        self.environ = {"MATRIX_AI_BRIDGE__ENGINE__URL": ollama.url}
        self.questions: list[str] = []
        self.says = True
        self.paper = StringIO()

    def set(self, key: str, value: str) -> None:
        self.environ[f"MATRIX_AI_BRIDGE__ENGINE__{key}"] = value

    async def findings(self) -> list[Finding]:
        settings = load(self.config, self.environ)
        return [*OTHERS, *await check_engine(settings.engine, build_cast(settings))]

    async def mend(self, *, is_asked: bool = True) -> dict[str, str]:
        """Levels by name, afterwards."""
        findings = await mend(
            self.config,
            await self.findings(),
            console=Console(file=self.paper, width=200),
            ask=self._ask if is_asked else None,
            environ=self.environ,
        )
        return {finding.name: finding.level for finding in findings}

    def _ask(self, question: str) -> bool:
        self.questions.append(question)
        return self.says


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with FakeOllama(models=(FakeModel(name="gemma3:4b"),)) as ollama:
        yield Bench(tmp_path, ollama)


async def test_a_missing_model_is_offered_and_there_after_a_yes(bench: Bench) -> None:
    bench.set("MODEL", "new:1b")
    assert await bench.mend() == {"config": "ok", "engine": "ok", "models": "ok"}
    (question,) = bench.questions
    assert bench.ollama.url in question
    assert "new:1b" in question
    assert "Downloading new:1b" in bench.paper.getvalue()


async def test_after_a_no_nothing_is_downloaded(bench: Bench) -> None:
    bench.set("MODEL", "new:1b")
    bench.says = False
    assert (await bench.mend())["models"] == "fail"
    assert bench.ollama.pulls() == []


async def test_where_it_is_told_so_beforehand_nobody_is_asked(bench: Bench) -> None:
    bench.set("MODEL", "new:1b")
    assert (await bench.mend(is_asked=False))["models"] == "ok"
    assert bench.ollama.pulls() == ["new:1b"]


async def test_where_all_is_there_nobody_is_asked_and_nothing_is_downloaded(bench: Bench) -> None:
    bench.set("MODEL", "gemma3:4b")
    await bench.mend(is_asked=False)
    assert bench.ollama.pulls() == []
    assert bench.questions == []


async def test_a_model_for_one_purpose_is_missed_and_offered_too(bench: Bench) -> None:
    bench.set("GATE_MODEL", "tiny:1b")
    found = {finding.name: finding for finding in await bench.findings()}
    assert found["models"].level == "fail"
    assert "engine.gate_model is tiny:1b" in found["models"].sentence
    assert (await bench.mend())["models"] == "ok"
    assert bench.ollama.pulls() == ["tiny:1b"]


async def test_one_server_that_sees_is_enough(bench: Bench) -> None:
    async with FakeOllama(models=(FakeModel(name="eyes"), FakeModel(name="gemma3:4b"))) as other:
        bench.set("VISION_MODEL", "eyes")
        bench.set("ENDPOINTS", f'[{{"url": "{other.url}"}}]')
        levels = {finding.name: finding.level for finding in await bench.findings()}
    assert levels["models"] == levels["models 2"] == "ok"


async def test_where_none_is_named_and_none_is_there_the_suggested_one_is_offered(
    bench: Bench,
) -> None:
    bench.ollama.models.clear()
    assert (await bench.mend())["models"] == "ok"
    assert f"{SUGGESTED.name}. Download it (about 3.3 GB)" in bench.questions[0]
    assert bench.ollama.pulls() == [SUGGESTED.name]


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        ("pull model manifest: file does not exist", "Correct its name"),
        ("write /x: no space left on device", "Make room"),
        ("dial tcp: lookup registry.ollama.ai: no such host", "network of the model server"),
        ("something else", "Ollama's log"),
    ],
)
async def test_a_download_that_fails_says_who_can_mend_it(
    bench: Bench, problem: str, advice: str
) -> None:
    bench.set("MODEL", "new:1b")
    bench.ollama.pull_error = problem
    assert (await bench.mend())["models"] == "fail"
    assert advice in bench.paper.getvalue()


async def test_a_download_that_was_cut_goes_on_the_next_time(bench: Bench) -> None:
    bench.set("MODEL", "new:1b")
    bench.ollama.pull_is_cut = True
    assert (await bench.mend())["models"] == "fail"
    assert "goes on where it stopped" in bench.paper.getvalue()
    bench.ollama.pull_is_cut = False
    assert (await bench.mend())["models"] == "ok"


async def test_a_server_that_is_away_is_offered_nothing(bench: Bench) -> None:
    bench.set("URL", "http://127.0.0.1:9")
    await bench.mend()
    assert bench.questions == []
