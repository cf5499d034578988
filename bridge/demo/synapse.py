"""A Synapse of the demo's own: installed into an environment of its own, run on loopback."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import os
import re
import secrets
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
_TAIL_LINES: Final = 8
_UNLIMITED: Final = {"per_second": 1000, "burst_count": 1000}
_COLLECTING: Final = re.compile(r"Collecting ([A-Za-z0-9_.-]+)")
_LAUNCHER: Final = Path(__file__).with_name("launch_synapse.py")

Tell = Callable[[str], None]


async def synapse_python(folder: Folder, tell: Tell, done: Tell) -> Path:
    """An interpreter that has Synapse; installs it once. Raises SetupError."""
    if chosen := _named_python():
        return chosen
    constraints = shipped_folder().parent / "synapse-constraints.txt"
    python = folder.synapse_venv / "bin" / "python"
    mark = folder.synapse_venv / ".installed"
    if python.exists() and mark.exists() and mark.read_text() == constraints.read_text():
        return python
    await _install(folder, python, constraints, tell)
    mark.write_text(constraints.read_text())
    done("Synapse is installed")
    return python


def _named_python() -> Path | None:
    named = os.environ.get(PYTHON_VARIABLE)
    if not named:
        return None
    if not Path(named).exists():
        raise SetupError(f"{PYTHON_VARIABLE} names {named}, and there is no such file.")
    return Path(named)


async def _install(folder: Folder, python: Path, constraints: Path, tell: Tell) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"This Python ({sys.executable}) cannot make virtual environments: its venv package "
            f"is missing. Debian, Ubuntu: apt-get install python{version}-venv"
        )
    what = "Installing Synapse into an environment of its own (once, about a minute)"
    tell(what)
    log = folder.path / "install.log"
    log.unlink(missing_ok=True)
    await _run(log, sys.executable, "-m", "venv", "--clear", str(folder.synapse_venv))

    def tell_package(line: str) -> None:
        if found := _COLLECTING.match(line):
            tell(f"{what}: {found[1]}")

    await _run(
        log, str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
        "-c", str(constraints), "matrix-synapse", tell=tell_package,
    )  # fmt: skip
    # Where byte code is not written, every later start would take three times as long.
    # Some packages hold examples that do not compile.
    await _run(
        log, str(python), "-m", "compileall", "-q", "-j", "0", str(folder.synapse_venv / "lib"),
        may_fail=True,
    )  # fmt: skip


async def _run(log: Path, *command: str, tell: Tell | None = None, may_fail: bool = False) -> None:
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
        await process.wait()
        raise
    if status and not may_fail:
        raise SetupError(
            f"Synapse could not be installed. The last lines of {log}:\n{_tail(log)}\n"
            "It comes from the Python package index, so this machine needs to reach that (or a "
            "mirror that pip is set up for). The next start tries again."
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
        # The password is long and random, and every start logs in.
        "bcrypt_rounds": 4,
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
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
    _make_key(data / "signing.key")
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
            # It greets with its version and licence at every start.
            "loggers": {"synapse.config.logger": {"level": "ERROR"}},
            "root": {"level": "WARNING", "handlers": ["file"]},
        },
    )
    return path


def _make_key(path: Path) -> None:
    """As Synapse's own --generate-keys does, without another start of it."""
    if path.exists():
        return
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    path.touch(mode=0o600)
    path.write_text(f"ed25519 a_{secrets.token_hex(2)} {seed}\n")


def _dump(path: Path, content: dict[str, object]) -> None:
    with path.open("w") as file:
        YAML(typ="safe").dump(content, file)


class Synapse:
    """The running homeserver."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def died(self) -> str:
        """Wait until it ends by itself; returns how, and what it last said."""
        return _last_words(await self._process.wait(), self._log)


@asynccontextmanager
async def running(python: Path, config: Path, url: str) -> AsyncIterator[Synapse]:
    """Start it, wait until it answers, stop it at the end. Raises SetupError."""
    log = config.parent / "synapse-output.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(python), "-P", str(_LAUNCHER), "-c", str(config),
            # It ends when this pipe closes, so that it never outlives a demo that was killed.
            stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output,
            # Ctrl-C is for the demo, which lets the bridge finish before it stops the homeserver.
            start_new_session=True,
        )  # fmt: skip
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
                    last = _last_words(process.returncode, log)
                    raise SetupError(f"Synapse ended while starting {last}")
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
    try:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError) as interrupted:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(interrupted, asyncio.CancelledError):
            raise


def _last_words(status: int, log: Path) -> str:
    how = f"exit status {status}" if status >= 0 else f"signal {-status}"
    return f"({how}; {log.parent} holds its logs)\n{_tail(log)}".rstrip()


def _tail(log: Path) -> str:
    """The last lines of Synapse's output, and of its own log beside it."""
    lines: list[str] = []
    for file in (log.with_name("synapse.log"), log):
        if file.exists():
            lines += file.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(lines[-_TAIL_LINES:])
