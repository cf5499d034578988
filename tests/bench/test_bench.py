"""`make bench` runs; what it says is for people, and is never asserted."""

from __future__ import annotations

import json

import pytest

from tests.bench.main import PARTS, figures


@pytest.mark.timeout(240)
async def test_every_figure_is_a_line_of_json_with_the_five_keys() -> None:
    found = [figure async for figure in figures(PARTS, is_quick=True)]
    for figure in found:
        line = json.loads(figure.line())
        assert list(line) == ["name", "value", "unit", "baseline", "ratio"]
        assert line["value"] >= 0
    names = " ".join(figure.name for figure in found)
    words = "ingest, claim, transaction to model, handover, queue, reply, resume, idle"
    for word in words.split(", "):
        assert word in names
    assert any(figure.ratio for figure in found)
