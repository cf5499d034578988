"""A download of a model, shown at a terminal."""

from __future__ import annotations

from contextlib import aclosing

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from bridge.engine import models


async def pull_shown(url: str, name: str, console: Console, api_key: str = "") -> None:
    """Have the server download a model, with a bar of its progress. Raises EngineError."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        console=console,
    )  # fmt: skip
    with bar:
        task = bar.add_task(f"Downloading {name}", total=None)
        async with aclosing(models.pull(url, name, api_key)) as steps:
            async for step in steps:
                if step.total_bytes:
                    bar.update(task, completed=step.done_bytes, total=step.total_bytes)
