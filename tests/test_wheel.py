"""The wheel, installed somewhere else, does what an operator begins with."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab.synapse import synapse_python

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in an environment of its own; only its dependencies are borrowed from ours."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps",
        "--no-index", "--no-compile", "--disable-pip-version-check", wheel,
    )  # fmt: skip
    # A folder named in a .pth file is searched, and its own .pth files are not read: the checkout,
    # which our environment reaches through one, stays out.
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(site, "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "matrix-ai-bridge"


def run(
    *words: str | Path,
    cwd: Path | None = None,
    status: int = 0,
    env: Mapping[str, str] | None = None,
) -> str:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MATRIX_AI", "PYTHONPATH"))}
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True, text=True, cwd=cwd, env={**own, **(env or {})}, timeout=90,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_program_its_settings_and_personas_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("cli.py", "_config/example.yaml", "_config/personas/luna.yaml"):
        assert f"bridge/{name}" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"bridge", "matrix_ai_bridge"}


def test_the_program_comes_from_the_wheel_and_not_from_the_checkout(program: Path) -> None:
    python = program.with_name("python")
    where = run(python, "-c", "import bridge; print(bridge.__file__)", cwd=program.parent)
    assert Path(where.strip()).is_relative_to(program.parents[1])


def test_an_operator_begins_in_an_empty_folder(program: Path, tmp_path: Path) -> None:
    assert "registration" in run(program, "--help", cwd=tmp_path)
    said = run(program, "registration", "--server-name", "me.org", cwd=tmp_path)
    assert str(tmp_path / "registration.yaml") in said
    said = run(program, "check-config", cwd=tmp_path)
    assert "@ai_luna:me.org" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "registration.yaml"]


def test_a_new_configuration_of_the_wheel_lacks_no_setting(program: Path, tmp_path: Path) -> None:
    run(program, "registration", "--server-name", "me.org", cwd=tmp_path)
    assert "No setting is missing." in run(program, "check-config", "--upgrade", cwd=tmp_path)
    run(program, "check-config", "--config", "nowhere.yaml", cwd=tmp_path, status=2)


@pytest.mark.e2e
def test_the_demo_of_the_wheel_answers(program: Path, tmp_path: Path) -> None:
    env = {"OLLAMA_HOST": "127.0.0.1:1", "MATRIX_AI_BRIDGE_SYNAPSE_PYTHON": str(synapse_python())}
    said = run(
        program, "demo", "--folder", tmp_path / "demo", "--say", "Luna, who are you?",
        cwd=tmp_path, env=env,
    )  # fmt: skip
    assert "Luna (AI): " in said
    assert "answered by: demo engine, no AI model connected" in said
