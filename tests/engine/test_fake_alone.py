from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bridge.engine.ollama import OllamaEngine
from tests.engine.asking import PROMPT, ask

ROOT = Path(__file__).parents[2]


async def test_the_fake_runs_as_a_process_and_records_what_it_was_asked(tmp_path: Path) -> None:
    record = tmp_path / "requests.jsonl"
    with (tmp_path / "stderr").open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.fakes.ollama"),
            *("--port", "0", "--reply", "It is I.", "--record", str(record)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().split()[-1]
        engine = OllamaEngine(url)
        assert (await ask(engine))[0] == "It is I."
        await engine.close()
    finally:
        process.terminate()
        await process.wait()
    asked = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    assert PROMPT.user in str(asked[-1]["body"]["messages"])
