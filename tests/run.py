"""Run the named parts of the checks and say how long each took.

    .venv/bin/python tests/run.py lint unit e2e        more arguments go to pytest

Every part runs, even when an earlier one failed. `unit` and `e2e` run side by side, because both
mostly wait; what `unit` says is shown when it is over. The exit status is 0 when all passed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TOOLS: Final = Path(sys.executable).parent
PYTEST: Final = (sys.executable, "-m", "pytest", "--durations=8", "--durations-min=2")
PARTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "lint": (
        (str(TOOLS / "ruff"), "check"),
        (str(TOOLS / "ruff"), "format", "--check"),
        (str(TOOLS / "basedpyright"),),
        (str(TOOLS / "lint-imports"),),
    ),
    "unit": ((*PYTEST, "-m", "not e2e"),),
    "e2e": ((*PYTEST, "-m", "e2e"),),
}


SIDE_BY_SIDE: Final = ("unit", "e2e")
SHOWN: Final = "e2e"


@dataclass(frozen=True, kw_only=True)
class Result:
    part: str
    has_passed: bool
    took_s: float
    last_line: str


def main(arguments: list[str]) -> int:
    parts = list(takewhile(PARTS.__contains__, arguments))
    rest = tuple(arguments[len(parts) :])
    began_s = time.monotonic()
    beside = SIDE_BY_SIDE if set(SIDE_BY_SIDE) <= set(parts) else ()
    results = [_run(part, rest) for part in parts if part not in beside]
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(_run, part, rest, is_shown=part == SHOWN) for part in beside]
        results += [each.result() for each in running]
    print("\n" + "-" * 72)
    for result in results:
        word = "passed" if result.has_passed else "FAILED"
        print(f"{result.part:<6} {word}  {result.took_s:6.1f} s   {result.last_line}")
    print(f"{'all':<6}         {time.monotonic() - began_s:6.1f} s")
    return 0 if all(result.has_passed for result in results) else 1


def _run(part: str, rest: tuple[str, ...], *, is_shown: bool = True) -> Result:
    """`is_shown`: line by line, else when it is over."""
    began_s = time.monotonic()
    is_good, last = True, ""
    for command in PARTS[part]:
        is_pytest = command[: len(PYTEST)] == PYTEST
        heading = f"\n== {part}: {' '.join(Path(word).name for word in command)}"
        print(heading if is_shown else f"{heading} (shown when it is over)", flush=True)
        status, line = _stream((*command, *(rest if is_pytest else ())), is_shown=is_shown)
        is_good = is_good and status == 0
        last = line.strip("= ") if is_pytest else last
    return Result(part=part, has_passed=is_good, took_s=time.monotonic() - began_s, last_line=last)


def _stream(command: tuple[str, ...], *, is_shown: bool) -> tuple[int, str]:
    """Run a command, pass its output on, and return its status and its last line."""
    last = ""
    kept: list[str] = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if is_shown:
                print(line, end="", flush=True)
            kept.append(line)
            last = line.strip() or last
    if not is_shown:
        print("".join(["\n", *kept]), end="", flush=True)
    return process.returncode, last


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
