"""The demo's folder: what it keeps between starts, and who may use it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, TextIO

from bridge.errors import SetupError

_MARKER: Final = ".matrix-ai-bridge-demo"
_STATE: Final = "demo.json"
_PORTS: Final = range(18_000, 32_000)
"""Below what systems give to outgoing connections, which could take a port between two starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a later start goes on with. `ports`: homeserver, appservice, operator's page."""

    password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    ports: tuple[int, int, int] = (0, 0, 0)
    room_id: str = ""


class Folder:
    """A folder that is the demo's own. `data` is what `--fresh` deletes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.synapse_venv = path / "synapse-venv"

    def load(self) -> State:
        """The state of the last start with ports that are free now, or a new one."""
        file = self.data / _STATE
        state = State()
        if file.exists():
            try:
                kept = json.loads(file.read_text())
                state = State(**{**kept, "ports": tuple(kept["ports"])})
            except (ValueError, TypeError, KeyError) as error:
                raise SetupError(
                    f"{file} cannot be read: {error}. Start over with --fresh."
                ) from error
        return replace(state, ports=_ports(state.ports))

    def save(self, state: State) -> None:
        draft = self.data / f".{_STATE}"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(state)))
        draft.replace(self.data / _STATE)


def default_folder() -> Path:
    """In the user's data folder (XDG Base Directory Specification)."""
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return base / "matrix-ai-bridge" / "demo"


@contextmanager
def opened(path: Path, *, fresh: bool) -> Iterator[Folder]:
    """The folder, ours alone until the end. `fresh` forgets rooms, accounts and messages.

    Raises SetupError when it is somebody else's, or another demo runs in it.
    """
    path = path.absolute()
    with _claimed(path) as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(
                f"A demo is running in {path} already. Use its terminal, stop it with Ctrl-C, "
                "or name another folder with --folder."
            ) from None
        folder = Folder(path)
        if fresh:
            shutil.rmtree(folder.data, ignore_errors=True)
        folder.data.mkdir(exist_ok=True)
        os.chmod(folder.data, 0o700)
        yield folder


def _claimed(path: Path) -> TextIO:
    """The open mark of a folder that is the demo's own."""
    try:
        if path.exists() and any(path.iterdir()) and not (path / _MARKER).exists():
            raise SetupError(
                f"{path} is not a folder of the demo. Name another with --folder, or empty it."
            )
        path.mkdir(parents=True, exist_ok=True)
        return (path / _MARKER).open("a")
    except OSError as error:
        raise SetupError(
            f"{path} cannot be the demo's folder: {error.strerror}. Name another with --folder."
        ) from error


def _ports(kept: tuple[int, int, int]) -> tuple[int, int, int]:
    """The ports of the last start where they are free, else others."""
    chosen: list[int] = []
    for port in kept:
        while port in chosen or not _is_free(port):
            port = secrets.choice(_PORTS)
        chosen.append(port)
    first, second, third = chosen
    return first, second, third


def _is_free(port: int) -> bool:
    if not port:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
