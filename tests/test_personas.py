from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.personas import load_personas, shipped_folder
from bridge.policy import language

MINIMAL = "name: Ada\ncharacter: Somebody.\n"
PNG = b"\x89PNG\r\n\x1a\n"


def write(folder: Path, text: str = MINIMAL, name: str = "ada.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def problem(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_personas(folder)
    return str(caught.value)


def test_three_personas_of_distinct_character_are_shipped() -> None:
    personas = load_personas(shipped_folder())
    assert [p.persona_id for p in personas] == ["luna", "milo", "nova"]
    for persona in personas:
        assert persona.description and persona.greeting and persona.voice
        assert len(persona.examples) >= 3
        assert any(not alias.isascii() for alias in persona.aliases)
        assert len(persona.character) > 200
    assert len({p.version for p in personas}) == 3


def test_what_shipped_personas_say_is_in_a_language_their_askers_use() -> None:
    for persona in load_personas(shipped_folder()):
        for example in persona.examples:
            asked, answered = language.guess(example.asked), language.guess(example.answered)
            assert asked == answered or "" in (asked, answered)


def test_shipped_avatars_are_small_square_pictures() -> None:
    for persona in load_personas(shipped_folder()):
        picture = Path(persona.avatar).read_bytes()
        assert picture.startswith(PNG)
        assert struct.unpack(">II", picture[16:24]) == (256, 256)
        assert len(picture) < 12_000


def test_the_avatars_are_what_the_drawing_makes(tmp_path: Path) -> None:
    avatars = shipped_folder() / "avatars"
    script = tmp_path / "draw.py"
    script.write_bytes((avatars / "draw.py").read_bytes())
    subprocess.run(  # the program that a contributor runs, as it is run
        [sys.executable, "-I", str(script)], check=True, stdout=subprocess.DEVNULL, timeout=50
    )
    for name in ("luna.png", "nova.png", "milo.png"):
        drawn = (tmp_path / name).read_bytes()
        assert len(drawn) == pytest.approx(len((avatars / name).read_bytes()), rel=0.05)


def test_a_file_needs_only_a_name_and_a_character(tmp_path: Path) -> None:
    (persona,) = load_personas(write(tmp_path))
    assert (persona.persona_id, persona.name, persona.character) == ("ada", "Ada", "Somebody.")
    assert (persona.talkativeness, persona.language, persona.avatar) == ("reply-only", "", "")


def test_every_key_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    write(
        tmp_path,
        MINIMAL + "aliases: [アダ, Countess]\ndescription: d\nvoice: [short, dry]\ngreeting: Hi.\n"
        "examples: [{asked: a, answered: b}]\navatar: a.png\nmodel: qwen3:8b\n"
        "talkativeness: chatty\nlanguage: ja\n",
    )
    (persona,) = load_personas(tmp_path)
    assert persona.aliases == ("アダ", "Countess")
    assert (persona.description, persona.greeting, persona.model) == ("d", "Hi.", "qwen3:8b")
    assert persona.voice == ("short", "dry")
    assert [(e.asked, e.answered) for e in persona.examples] == [("a", "b")]
    assert Path(persona.avatar) == (tmp_path / "a.png").resolve()
    assert (persona.talkativeness, persona.language) == ("chatty", "ja")


def test_the_version_follows_the_content_and_the_picture_but_not_comments(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    text = MINIMAL + "avatar: a.png\n"

    def version(text: str) -> str:
        return load_personas(write(tmp_path, text))[0].version

    first = version(text)
    assert version("# hello\n" + text) == first
    assert version(text.replace("Somebody", "Nobody")) != first
    assert version(text) == first
    (tmp_path / "a.png").write_bytes(PNG + b"other")
    assert version(text) != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: Ada\n", ["character", "missing", "add it"]),
        ("name: 7\ncharacter: x\n", ["name", "7", "string"]),
        ("name: ''\ncharacter: x\n", ["name", "''"]),
        ("name: '<b>'\ncharacter: x\n", ["name", "'<b>'", "leave out"]),
        ('name: "a\\nb"\ncharacter: x\n', ["name", "a\\nb"]),
        (MINIMAL + "greting: hi\n", ["greting", "'hi'", "greeting"]),
        (MINIMAL + "colour: red\n", ["colour", "known keys", "aliases"]),
        (MINIMAL + "talkativeness: loud\n", ["talkativeness", "'loud'", "'chatty'"]),
        (MINIMAL + "language: English\n", ["language", "'English'", "en"]),
        (MINIMAL + "voice: [1]\n", ["voice.0", "1"]),
        (MINIMAL + "examples: [{asked: a}]\n", ["examples.0.answered", "missing"]),
        (MINIMAL + "avatar: none.png\n", ["avatar", "'none.png'", "does not exist"]),
        (MINIMAL + "avatar: ../secret.png\n", ["avatar", "'../secret.png'", "outside"]),
        (MINIMAL + "avatar: ada.yaml\n", ["avatar", "'ada.yaml'", "no picture"]),
        ("name: Ada: the one\n", ["line 1", "quotes"]),
        ("- Ada\n", ["keys and values"]),
        ("", ["keys and values"]),
        ("name: A\nname: B\ncharacter: x\n", ["line 2", "duplicate"]),
        (f"name: Ada\ncharacter: {'x' * 3001}\n", ["character", "3000", "…"]),
    ],
)
def test_a_wrong_file_is_named_with_key_value_and_fix(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    message = problem(write(tmp_path, text))
    assert str(tmp_path / "ada.yaml") in message
    for part in said:
        assert part in message
    assert len(message) < 500


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    message = problem(write(tmp_path, "nme: Ada\nlanguage: 7\n"))
    assert len(message.splitlines()) == 4


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "ada.yaml").write_bytes(b"name: \xff\xfe\n")
    assert "UTF-8" in problem(tmp_path)


def test_too_large_a_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG + b"\0" * 1024 * 1024)
    assert "1 MiB" in problem(write(tmp_path, MINIMAL + "avatar: a.png\n"))


@pytest.mark.parametrize("name", ["Ada.yaml", "a da.yaml", "ädä.yaml", "a.b.yaml"])
def test_a_file_name_that_is_no_user_id_is_refused(tmp_path: Path, name: str) -> None:
    message = problem(write(tmp_path, name=name))
    assert repr(Path(name).stem) in message and "rename" in message


@pytest.mark.parametrize("alias", ["ada", "ADA", "Ａｄａ"])
def test_two_personas_may_not_share_a_name_in_any_spelling(tmp_path: Path, alias: str) -> None:
    write(tmp_path)
    write(tmp_path, f"name: Bo\naliases: [{alias}]\ncharacter: x\n", "bo.yaml")
    message = problem(tmp_path)
    assert "ada and bo" in message and repr(alias) in message


def test_one_persona_under_two_endings_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, name="ada.yml")
    assert "ada.yml" in problem(tmp_path)


def test_a_folder_that_is_missing_or_empty_says_what_to_do(tmp_path: Path) -> None:
    assert "personas.folder" in problem(tmp_path / "none")
    assert "luna.yaml" in problem(tmp_path)


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hi")
    (tmp_path / "avatars").mkdir()
    assert len(load_personas(write(tmp_path))) == 1


def test_the_shipped_folder_is_found_inside_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "bridge"
    inside = package / "_config" / "personas"
    inside.mkdir(parents=True)
    monkeypatch.setattr("bridge.personas.__file__", str(package / "personas.py"))
    assert shipped_folder() == inside.resolve()
    inside.rmdir()
    with pytest.raises(ConfigError, match=r"personas\.folder"):
        shipped_folder()
