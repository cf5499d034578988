"""The demo as a process of its own, on a real Synapse, as somebody at a shell has it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.lab.death import die_with_parent
from tests.lab.synapse import synapse_python

NO_OLLAMA: Final = "127.0.0.1:1"
_PROGRAM: Final = Path(sys.executable).with_name("matrix-ai-bridge")
_TICK_S: Final = 0.05
_ESCAPE: Final = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|.)")


class Demo:
    """A running demo. `shown` is what it has printed so far, without colours."""

    def __init__(self, process: subprocess.Popen[bytes], reads: int, writes: int) -> None:
        self.process = process
        self._writes = writes
        self._output = b""
        self._reader = threading.Thread(target=self._read, args=(reads,), daemon=True)
        self._reader.start()

    @property
    def shown(self) -> str:
        return _ESCAPE.sub("", self._output.decode(errors="replace"))

    def type(self, text: str) -> None:
        os.write(self._writes, text.encode())

    def wait_for(self, text: str, *, times: int = 1, patience_s: float = 40.0) -> float:
        """Wait until this has been printed; returns when (monotonic seconds)."""
        give_up_at_s = time.monotonic() + patience_s
        while self.shown.count(text) < times:
            if time.monotonic() > give_up_at_s or self.process.poll() is not None:
                self._reader.join(1)
                if self.shown.count(text) >= times:
                    break
                raise AssertionError(f"{text!r} was not printed:\n{self.shown}")
            time.sleep(_TICK_S)
        return time.monotonic()

    def end(self, patience_s: float = 20.0) -> int:
        """Wait for its end; returns the exit status."""
        status = self.process.wait(patience_s)
        self._reader.join(2)
        return status

    def _read(self, descriptor: int) -> None:
        with suppress(OSError):  # a pseudo terminal's way to say that it was closed
            while chunk := os.read(descriptor, 4096):
                self._output += chunk


@contextmanager
def running(
    folder: Path, *options: str, ollama: str = NO_OLLAMA, at_terminal: bool = False
) -> Iterator[Demo]:
    """Start it with a pipe, or with a terminal of its own."""
    if at_terminal:
        ours, theirs = pty.openpty()
        reads, writes, stdin, stdout = ours, ours, theirs, theirs
    else:
        stdin, writes = os.pipe()
        reads, stdout = os.pipe()
    process = subprocess.Popen(
        [str(_PROGRAM), "demo", "--folder", str(folder), *options],
        stdin=stdin,
        stdout=stdout,
        stderr=stdout,
        env={
            **os.environ,
            "OLLAMA_HOST": ollama,
            "MATRIX_AI_BRIDGE_SYNAPSE_PYTHON": str(synapse_python()),
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            "LINES": "40",
            "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody answers where the cursor is
        },
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    for descriptor in {stdin, stdout}:
        os.close(descriptor)
    try:
        yield Demo(process, reads, writes)
    finally:
        for descriptor in {reads, writes}:
            with suppress(OSError):
                os.close(descriptor)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def say(folder: Path, text: str, *options: str, ollama: str = NO_OLLAMA) -> tuple[int, str]:
    """`demo --say`: its exit status and what it printed."""
    with running(folder, "--say", text, *options, ollama=ollama) as demo:
        status = demo.end(50)
        return status, demo.shown


def state(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "data" / "demo.json").read_text())


def processes(folder: Path) -> list[str]:
    """Command lines of the living processes that belong to this folder."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if f"{folder}/" in f"{command}/" and entry.name != str(os.getpid()):
                found.append(f"{entry.name} {command}")
    return found


def wait_until_gone(folder: Path, patience_s: float = 10.0) -> list[str]:
    """Wait until no process of the folder is left; returns those that are."""
    give_up_at_s = time.monotonic() + patience_s
    while (left := processes(folder)) and time.monotonic() < give_up_at_s:
        time.sleep(_TICK_S)
    return left
