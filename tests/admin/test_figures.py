from __future__ import annotations

import pytest

from bridge.admin.figures import rows_of
from bridge.store.inspect import Figures

HOUR_MS = 3_600_000


def shown(oldest_text_at: int | None, now: int, kept_days: int = 7) -> dict[str, str]:
    figures = Figures(
        rooms=1,
        puppets=1,
        events_waiting=0,
        events_poison=0,
        events_malformed=0,
        turns_open=0,
        effects_unsent=0,
        texts=12,
        size_bytes=4_321_000,
        oldest_text_at=oldest_text_at,
        schema_version=2,
    )
    return dict(rows_of(figures, now, kept_days=kept_days))


def test_what_is_kept_stands_beside_how_long_it_may_be() -> None:
    rows = shown(0, 50 * HOUR_MS)
    assert rows["Room texts kept"] == "12 (for 7 days at most)"
    assert rows["Database size"] == "4.3 MB"
    assert shown(0, 0, kept_days=1)["Room texts kept"] == "12 (for 1 day at most)"


@pytest.mark.parametrize(
    ("hours", "age"), [(0, "0 hours"), (1, "1 hour"), (47, "47 hours"), (48, "2 days")]
)
def test_the_oldest_text_has_an_age(hours: int, age: str) -> None:
    assert shown(0, hours * HOUR_MS)["Oldest room text"] == age
    assert shown(None, 0)["Oldest room text"] == "none stored"
