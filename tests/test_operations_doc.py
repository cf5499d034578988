"""Each row of the table of failures names a test, and that test exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[str]:
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text.partition("| failure |")[2].partition("\n\n")[0]
    return [line for line in table.splitlines()[2:] if line.startswith("|")]


def test_every_failure_names_a_test_that_exists() -> None:
    assert len(rows()) > 15
    for row in rows():
        named = NAMED.findall(row)
        assert named, row
        for path, name in named:
            source = (ROOT / path).read_text()
            assert re.search(rf"def {name}\(", source), f"{path} has no {name}"
