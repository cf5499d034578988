"""The demo's folder: whose it is, what is kept, what `--fresh` deletes."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.demo.folder import default_folder, opened
from bridge.errors import SetupError


def test_a_second_start_finds_what_the_first_kept(tmp_path: Path) -> None:
    with opened(tmp_path / "demo", fresh=False) as folder:
        first = replace(folder.load(), room_id="!room")
        folder.save(first)
    with opened(tmp_path / "demo", fresh=False) as folder:
        assert folder.load() == first


def test_ports_are_free_apart_and_kept_only_while_nobody_else_has_them(tmp_path: Path) -> None:
    with opened(tmp_path / "demo", fresh=False) as folder:
        first = folder.load()
        folder.save(first)
        assert len(set(first.ports)) == 3
        with socket.socket() as somebody:
            somebody.bind(("127.0.0.1", first.ports[1]))
            second = folder.load()
        assert second.ports[1] != first.ports[1]
        assert (second.ports[0], second.ports[2]) == (first.ports[0], first.ports[2])
        assert second.password == first.password


def test_a_folder_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(SetupError, match="not a folder of the demo"):
            opened(tmp_path, fresh=fresh).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_fresh_deletes_the_data_and_keeps_the_installed_synapse(tmp_path: Path) -> None:
    with opened(tmp_path / "demo", fresh=False) as folder:
        first = folder.load()
        folder.save(first)
        folder.synapse_venv.mkdir()
    with opened(tmp_path / "demo", fresh=True) as folder:
        assert folder.synapse_venv.exists()
        assert list(folder.data.iterdir()) == []
        assert folder.load().password != first.password


def test_two_demos_in_one_folder_are_refused_and_fresh_deletes_nothing_then(tmp_path: Path) -> None:
    with opened(tmp_path / "demo", fresh=False) as folder:
        folder.save(folder.load())
        for fresh in (False, True):
            with pytest.raises(SetupError, match="already"):
                opened(tmp_path / "demo", fresh=fresh).__enter__()
        assert list(folder.data.iterdir()) != []
    with opened(tmp_path / "demo", fresh=False):
        pass


def test_a_state_that_cannot_be_read_is_told_with_its_fix(tmp_path: Path) -> None:
    with opened(tmp_path / "demo", fresh=False) as folder:
        (folder.data / "demo.json").write_text('{"ports": [1, 2')
        with pytest.raises(SetupError, match="--fresh"):
            folder.load()


def test_the_default_folder_follows_the_data_folder_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/elsewhere")
    assert default_folder() == Path("/elsewhere/matrix-ai-bridge/demo")
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_folder() == Path("/home/somebody/.local/share/matrix-ai-bridge/demo")
