"""docker/ without a container engine: the same steps and commands, run here."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.lab.postgres import Postgres, find_binaries

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"


def compose() -> dict[str, Any]:
    return YAML(typ="safe").load((DOCKER / "compose.yaml").read_text())


def test_compose_files_are_valid() -> None:
    for path in DOCKER.glob("compose*.yaml"):
        subprocess.run(
            [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
             str(path)],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def test_only_the_bridge_starts_by_default() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if not service.get("profiles")] == ["bridge"]


def scale() -> dict[str, Any]:
    return YAML(typ="safe").load((DOCKER / "compose.scale.yaml").read_text())


def test_the_scaled_bridge_is_two_that_take_in_behind_a_proxy_and_several_that_answer() -> None:
    services = scale()["services"]
    roles = [service.get("command") for service in services.values()]
    assert roles.count(["ingest"]) == 2
    assert services["work"]["command"] == ["work"]
    assert services["work"]["deploy"]["replicas"] >= 2
    proxy = (DOCKER / "haproxy.cfg").read_text()
    behind = re.findall(r"^  server \w+ (\S+)", proxy, re.MULTILINE)
    assert behind == ["ingest-a:9009", "ingest-b:9009"]


def test_the_scaled_services_are_as_confined_and_as_watched_as_the_single_ones() -> None:
    single, several = compose()["services"], scale()["services"]
    for name in ("ingest-a", "ingest-b", "work"):
        for key in ("read_only", "cap_drop", "security_opt", "healthcheck", "stop_grace_period"):
            assert several[name][key] == single["bridge"][key], (name, key)
    assert several["postgres"]["healthcheck"] == single["postgres"]["healthcheck"]
    assert "change-me" not in (DOCKER / "compose.scale.yaml").read_text()


def test_every_image_is_pinned_to_a_version() -> None:
    both = (*compose()["services"].values(), *scale()["services"].values())
    images = [service["image"] for service in both]
    images += re.findall(r"^FROM (\S+)", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    for image in images:
        assert re.search(r":v?\d+\.\d+(\.\d+)?", image), f"{image} is not pinned"


@contextmanager
def answering(text: str) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_health_check(test: list[str], default_port: str, port: int, path: str = "") -> int:
    kind, *command = test
    if kind == "CMD-SHELL":
        command = ["sh", "-c", *command]
    command = [word.replace(default_port, str(port)) for word in command]
    if command[0].endswith("python"):
        command[0] = sys.executable
    env = {**os.environ, "PGPORT": str(port)}
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    return subprocess.run(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20
    ).returncode


@pytest.mark.parametrize(
    ("service", "default_port", "answer"),
    [
        ("bridge", "9010", "ok"),
        ("synapse", "8008", "OK"),
        ("ollama", "11434", "Ollama is running"),
    ],
)
def test_each_health_check_tells_life_from_death(
    service: str, default_port: str, answer: str
) -> None:
    check = compose()["services"][service]["healthcheck"]["test"]
    with answering(answer) as port:
        assert run_health_check(check, default_port, port) == 0
    assert run_health_check(check, default_port, free_port()) != 0


def test_the_health_check_of_postgresql_tells_life_from_death(postgres: Postgres) -> None:
    check = compose()["services"]["postgres"]["healthcheck"]["test"]
    assert run_health_check(check, "5432", postgres.port, str(find_binaries())) == 0
    assert run_health_check(check, "5432", free_port(), str(find_binaries())) != 0


def test_the_image_and_compose_use_the_same_health_check() -> None:
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", "")
    match = re.search(r"^HEALTHCHECK .*?CMD (\[.*\])$", text, re.MULTILINE)
    assert match is not None
    assert json.loads(match[1]) == compose()["services"]["bridge"]["healthcheck"]["test"][1:]


@pytest.mark.timeout(180)
def test_the_steps_of_the_dockerfile_work_in_an_empty_folder(tmp_path: Path) -> None:
    values = {
        "PREFIX": str(tmp_path / "opt"),
        "DATA": str(tmp_path / "data"),
        "UID": str(os.getuid()),
        "GID": str(os.getgid()),
    }
    source = tmp_path / "source"
    source.mkdir()
    for line in (DOCKER / "Dockerfile").read_text().replace("\\\n", " ").splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "COPY" and not rest.startswith("--from"):
            copy_into(source, shlex.split(rest))
        elif instruction == "RUN":
            subprocess.run(
                ["sh", "-ec", rest.replace("python -m venv", f"{sys.executable} -m venv")],
                cwd=source, env={**os.environ, **values}, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
    program = tmp_path / "opt" / "bin" / "matrix-ai-bridge"
    done = subprocess.run([program, "check-config", "--help"], capture_output=True, cwd="/")
    assert done.returncode == 0
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def copy_into(source: Path, words: list[str]) -> None:
    *froms, to = words
    for name in froms:
        origin = ROOT / name
        if origin.is_dir():
            shutil.copytree(origin, source / to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, source / to)
