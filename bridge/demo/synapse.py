"""A Synapse of the demo's own: installed into an environment of its own, run on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

from bridge.demo.folder import Folder, State
from bridge.errors import HomeserverError, SetupError
from bridge.matrix.homeserver import MatrixHomeserver
from bridge.personas import shipped_folder

SERVER_NAME: Final = "localhost"
PYTHON_VARIABLE: Final = "MATRIX_AI_BRIDGE_SYNAPSE_PYTHON"
_START_S: Final = 60.0
_STOP_S: Final = 10.0
_UNLIMITED: Final = {"per_second": 1000, "burst_count": 1000}

Tell = Callable[[str], None]


async def synapse_python(folder: Folder, tell: Tell) -> Path:
    """An interpreter that has Synapse; installs it once. Raises SetupError."""
    if chosen := os.environ.get(PYTHON_VARIABLE):
        return Path(chosen)
    constraints = shipped_folder().parent / "synapse-constraints.txt"
    python = folder.synapse_venv / "bin" / "python"
    done = folder.synapse_venv / ".installed"
    if done.exists() and done.read_text() == constraints.read_text():
        return python
    log = folder.path / "install.log"
    tell("Installing Synapse into an environment of its own (once, about a minute)")
    await _run(log, sys.executable, "-m", "venv", "--clear", str(folder.synapse_venv))
    await _run(
        log, str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
        "-c", str(constraints), "matrix-synapse",
        tell=lambda line: tell(f"Installing Synapse: {line}") if "Collecting" in line else None,
    )  # fmt: skip
    # Where byte code is not written, every later start would take three times as long.
    await _run(log, str(python), "-m", "compileall", "-q", str(folder.synapse_venv / "lib"))
    done.write_text(constraints.read_text())
    return python


async def _run(log: Path, *command: str, tell: Tell | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        with log.open("ab") as file:
            async for line in process.stdout:
                file.write(line)
                if tell is not None:
                    tell(line.decode(errors="replace").strip())
        status = await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        raise
    if status:
        raise SetupError(
            f"Synapse could not be installed (see {log}):\n{_tail(log)}\n"
            "It needs a network with the Python package index, and on Debian and Ubuntu the "
            "package python3-venv."
        )


def write_config(folder: Folder, state: State, registration: Path) -> Path:
    """homeserver.yaml for loopback, with SQLite. Returns its path."""
    data = folder.data
    homeserver_port = state.ports[0]
    config: dict[str, object] = {
        "server_name": SERVER_NAME,
        "public_baseurl": f"http://127.0.0.1:{homeserver_port}/",
        "pid_file": str(data / "synapse.pid"),
        "log_config": str(data / "synapse-log.yaml"),
        "listeners": [
            {
                "port": homeserver_port,
                "bind_addresses": ["127.0.0.1"],
                "type": "http",
                "tls": False,
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": str(data / "synapse.db")}},
        "media_store_path": str(data / "media"),
        "signing_key_path": str(data / "signing.key"),
        "registration_shared_secret": state.secret,
        "macaroon_secret_key": state.secret,
        "form_secret": state.secret,
        "enable_registration": False,
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        # The bridge listens on loopback too.
        "ip_range_blacklist": [],
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "app_service_config_files": [str(registration)],
        "rc_message": _UNLIMITED,
        "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _UNLIMITED),
        "rc_registration": _UNLIMITED,
    }
    path = data / "homeserver.yaml"
    path.touch(mode=0o600)
    _dump(path, config)
    _dump(
        data / "synapse-log.yaml",
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.handlers.RotatingFileHandler",
                    "filename": str(data / "synapse.log"),
                    "maxBytes": 5_000_000,
                    "backupCount": 1,
                    "formatter": "plain",
                }
            },
            "root": {"level": "WARNING", "handlers": ["file"]},
        },
    )
    return path


def _dump(path: Path, content: dict[str, object]) -> None:
    with path.open("w") as file:
        YAML(typ="safe").dump(content, file)


class Synapse:
    """The running homeserver."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def died(self) -> str:
        """Wait until it ends by itself; returns what it last said."""
        await self._process.wait()
        return _tail(self._log)


@asynccontextmanager
async def running(python: Path, config: Path, url: str) -> AsyncIterator[Synapse]:
    """Start it, wait until it answers, stop it at the end. Raises SetupError."""
    data = config.parent
    _stop_forgotten(data)
    log = data / "synapse-output.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(python), "-m", "synapse.app.homeserver", "-c", str(config), "--generate-keys",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
        if await process.wait():
            raise SetupError(f"Synapse could not make its keys:\n{_tail(log)}")
        process = await asyncio.create_subprocess_exec(
            str(python), "-m", "synapse.app.homeserver", "-c", str(config),
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            # Ctrl-C is for the demo, which lets the bridge finish before it stops the homeserver.
            start_new_session=True,
        )  # fmt: skip
    (data / "demo-synapse.pid").write_text(str(process.pid))
    try:
        await _ready(process, url, log)
        yield Synapse(process, log)
    finally:
        await _stop(process)


async def _ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    homeserver = MatrixHomeserver(url=url, as_token="")
    try:
        async with asyncio.timeout(_START_S):
            while True:
                if process.returncode is not None:
                    raise SetupError(f"Synapse ended while starting:\n{_tail(log)}")
                with suppress(HomeserverError):
                    await homeserver.versions()
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise SetupError(f"Synapse does not answer after {_START_S:.0f} s:\n{_tail(log)}") from None
    finally:
        await homeserver.close()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _stop_forgotten(data: Path) -> None:
    """End a Synapse of this folder whose demo was killed."""
    pid_file = data / "demo-synapse.pid"
    if not pid_file.exists():
        return
    with suppress(ValueError, OSError):
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if str(data / "homeserver.yaml").encode() in command:
            os.kill(pid, signal.SIGKILL)
    pid_file.unlink()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:])
