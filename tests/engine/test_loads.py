"""Why a model had to be loaded again."""

from __future__ import annotations

import pytest

from bridge.engine.loads import CROWDED, DISTURBED, FIRST, IDLE, WARM_UP, Loads, duration_s


def test_the_first_use_and_one_after_the_pause_are_told_apart() -> None:
    loads = Loads(keep_alive_s=1800)
    assert loads.note("a", 5000, 10) == FIRST
    assert loads.note("a", 3, 20) is None
    assert loads.note("a", 5000, 20 + 1806) == IDLE


def test_a_model_that_another_one_pushed_out_says_so() -> None:
    loads = Loads(keep_alive_s=1800)
    loads.note("a", 5000, 10)
    loads.note("b", 5000, 20)
    assert loads.note("a", 5000, 30) == CROWDED


def test_a_reload_without_a_cause_of_ours_is_somebody_elses() -> None:
    loads = Loads(keep_alive_s=1800)
    loads.note("b", 5000, 5)
    loads.note("a", 5000, 10)
    assert loads.note("a", 5000, 30) == DISTURBED


def test_what_is_kept_for_ever_does_not_run_out() -> None:
    loads = Loads(keep_alive_s=duration_s("-1"))
    loads.note("a", 5000, 10)
    assert loads.note("a", 5000, 10**9) == DISTURBED


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("300", 300), ("-1", -1), ("90s", 90), ("-1m", -60), ("", 0)],
)
def test_durations_are_read_as_ollama_writes_them(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


def test_a_warm_up_is_a_cause_of_its_own_and_no_first_use_follows() -> None:
    loads = Loads(keep_alive_s=1800)
    assert loads.warmed("a", 5000, 10) == WARM_UP
    assert loads.warmed("a", 3, 11) is None
    assert loads.note("a", 3, 20) is None
    assert loads.note("a", 5000, 20 + 1806) == IDLE


def test_a_call_that_waited_for_a_warm_up_is_no_other_load() -> None:
    loads = Loads(keep_alive_s=1800)
    loads.warmed("a", 5000, 10)
    assert loads.note("a", 4000, 11, began_s=7) is None
    assert loads.note("a", 4000, 30, began_s=25) == DISTURBED
