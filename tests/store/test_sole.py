from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import DatabaseError
from bridge.store.sole import sole_use


def test_a_second_bridge_on_one_sqlite_file_is_refused_until_the_first_has_gone(
    tmp_path: Path,
) -> None:
    url = f"sqlite:{tmp_path / 'bridge.db'}"
    with (
        sole_use(url),
        pytest.raises(DatabaseError, match="Another bridge is running"),
        sole_use(url),
    ):
        pass
    with sole_use(url):
        pass


def test_a_folder_that_cannot_be_written_to_is_said_to_be_one(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "bridge.db"
    with pytest.raises(DatabaseError, match="cannot be written"), sole_use(f"sqlite:{missing}"):
        pass


def test_another_database_knows_its_own_users() -> None:
    with sole_use("postgres://host/name"), sole_use("postgres://host/name"):
        pass
