"""The demo's Synapse: what is told when it cannot be had. Running it is tested with the whole."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bridge.demo.folder import Folder, State, opened
from bridge.demo.synapse import PYTHON_VARIABLE, synapse_python, write_config
from bridge.errors import SetupError


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with opened(tmp_path / "demo", fresh=False) as folder:
        yield folder


async def told(folder: Folder) -> list[str]:
    """What is told on the way to an interpreter."""
    lines: list[str] = []
    await synapse_python(folder, lines.append, lines.append)
    return lines


async def test_a_python_that_was_named_is_used_and_a_wrong_name_is_told(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    assert await told(folder) == []
    monkeypatch.setenv(PYTHON_VARIABLE, "/nowhere/python")
    with pytest.raises(SetupError, match=f"{PYTHON_VARIABLE} names /nowhere/python"):
        await told(folder)


async def test_without_the_venv_package_the_package_to_install_is_named(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SetupError, match=r"apt-get install python3\.\d+-venv"):
        await told(folder)
    assert not folder.synapse_venv.exists()


async def test_an_installation_that_fails_is_told_with_its_last_lines(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(name, value)
    with pytest.raises(SetupError, match="could not be installed") as caught:
        await told(folder)
    log = folder.path / "install.log"
    assert f"The last lines of {log}" in str(caught.value)
    assert log.read_text().splitlines()[-1] in str(caught.value)
    assert not (folder.synapse_venv / ".installed").exists()


def test_the_homeserver_listens_on_loopback_alone_and_its_files_are_its_owners(
    folder: Folder,
) -> None:
    state = State(ports=(20001, 20002, 20003))
    path = write_config(folder, state, folder.data / "registration.yaml")
    config = YAML(typ="safe").load(path)
    assert [entry["bind_addresses"] for entry in config["listeners"]] == [["127.0.0.1"]]
    assert config["enable_registration"] is False
    assert config["federation_domain_whitelist"] == []
    for file in (path, folder.data / "signing.key"):
        assert file.stat().st_mode & 0o077 == 0
    key = (folder.data / "signing.key").read_text()
    write_config(folder, state, folder.data / "registration.yaml")
    assert (folder.data / "signing.key").read_text() == key, "a new key would be a new server"
