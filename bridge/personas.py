"""Characters from their files: one YAML file, one puppet."""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bridge.domain.ids import PuppetId
from bridge.domain.persona import ExampleLine, Persona, Talkativeness
from bridge.errors import ConfigError

_ID: Final = re.compile(r"[a-z0-9_-]+")
_MAX_AVATAR_BYTES: Final = 1024 * 1024
_IMAGE_STARTS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
_SHOWN_CHARS: Final = 60


def _text(max_length: int, *, min_length: int = 0) -> StringConstraints:
    return StringConstraints(
        strip_whitespace=True, min_length=min_length, max_length=max_length, strict=True
    )


Name = Annotated[str, _text(40, min_length=1), Field(pattern=r'^[^<>"\x00-\x1f]+$')]

ToolName = Annotated[str, _text(140, min_length=1)]


class _Example(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    asked: Annotated[str, _text(500, min_length=1)]
    answered: Annotated[str, _text(1000, min_length=1)]


class _File(BaseModel):
    """Keys of a persona file, with their defaults and bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    aliases: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    description: Annotated[str, _text(200)] = ""
    character: Annotated[str, _text(3000, min_length=1)]
    voice: Annotated[tuple[Annotated[str, _text(200, min_length=1)], ...], Field(max_length=6)] = ()
    greeting: Annotated[str, _text(500)] = ""
    examples: Annotated[tuple[_Example, ...], Field(max_length=8)] = ()
    avatar: Annotated[str, _text(300)] = ""
    model: Annotated[str, _text(200)] = ""
    talkativeness: Talkativeness = "reply-only"
    language: Annotated[str, Field(pattern=r"^([a-z]{2,3})?$", strict=True)] = ""
    tools: Annotated[
        tuple[Annotated[str, _text(140, min_length=1)], ...], Field(max_length=20)
    ] = ()


_KEYS: Final = tuple(_File.model_fields)


def load_personas(folder: Path) -> tuple[Persona, ...]:
    """Every persona of the folder, sorted by id. Raises ConfigError: file, key, value, fix."""
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is no folder of personas; set personas.folder to one, or leave it out"
        )
    paths = sorted(p for p in folder.iterdir() if p.suffix in {".yaml", ".yml"})
    if not paths:
        raise ConfigError(f"{folder} holds no persona; add a file such as luna.yaml")
    personas = tuple(sorted((_load(path) for path in paths), key=lambda p: p.persona_id))
    _check_unique(personas, folder)
    return personas


def shipped_folder() -> Path:
    """The personas that come with the program: inside the wheel, or in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_config" / "personas", package.parent / "config" / "personas"):
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"the personas that belong to this program are missing beside {package};"
        " install it again, or set personas.folder to a folder of your own"
    )


def _load(path: Path) -> Persona:
    if not _ID.fullmatch(path.stem):
        raise ConfigError(
            f"{path}: the file's name {path.stem!r} becomes part of a Matrix user id;"
            " rename it to lower-case a-z, 0-9, _ and - only"
        )
    file = _validate(_read(path), path)
    avatar = _avatar(file.avatar, path)
    return Persona(
        persona_id=PuppetId(path.stem),
        version=_version(file, avatar),
        name=file.name,
        aliases=file.aliases,
        description=file.description,
        character=file.character,
        voice=file.voice,
        greeting=file.greeting,
        examples=tuple(ExampleLine(asked=e.asked, answered=e.answered) for e in file.examples),
        avatar=str(avatar) if avatar else "",
        model=file.model,
        talkativeness=file.talkativeness,
        language=file.language,
        tools=file.tools,
    )


def _read(path: Path) -> Mapping[str, object]:
    try:
        content: object = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}); check that it may be read"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(
            f"{path}, line {line}: this is not YAML ({error.problem}); a text with a colon or"
            " a quote in it needs quotes around it"
        ) from error
    except YAMLError as error:
        raise ConfigError(f"{path} is not YAML ({error}); correct it") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, such as `name: Luna`")
    return {str(key): value for key, value in content.items()}


def _validate(content: Mapping[str, object], path: Path) -> _File:
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(e, path) for e in error.errors())) from error


def _sentence(error: ErrorDetails, path: Path) -> str:
    key = ".".join(str(part) for part in error["loc"])
    value = repr(error["input"])
    if len(value) > _SHOWN_CHARS:
        value = f"{value[: _SHOWN_CHARS - 1]}…"
    match error["type"]:
        case "missing":
            return f"{path}: {key} is missing; add it"
        case "extra_forbidden":
            near = difflib.get_close_matches(key, _KEYS, n=1)
            fix = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(_KEYS)}"
            return f"{path}: {key}: {value} is no key of a persona; {fix}"
        case "literal_error":
            return f"{path}: {key}: {value}; use one of {error['ctx']['expected']}"  # pyright: ignore[reportTypedDictNotRequiredAccess]
        case "string_pattern_mismatch":
            fix = (
                "use a code such as en, zh or de, or leave it out"
                if key == "language"
                else 'leave out < > " and control characters'
            )
            return f"{path}: {key}: {value}; {fix}"
        case _:
            return f"{path}: {key}: {value}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _avatar(name: str, path: Path) -> Path | None:
    if not name:
        return None
    folder = path.parent.resolve()
    avatar = (folder / name).resolve()
    where = f"{path}: avatar: {name!r}"
    if not avatar.is_relative_to(folder):
        raise ConfigError(f"{where} lies outside {folder}; put the picture into that folder")
    if not avatar.is_file():
        raise ConfigError(f"{where} does not exist; it is looked for at {avatar}")
    if avatar.stat().st_size > _MAX_AVATAR_BYTES:
        raise ConfigError(f"{where} is larger than 1 MiB; make it smaller")
    with avatar.open("rb") as picture:
        if not picture.read(8).startswith(_IMAGE_STARTS):
            raise ConfigError(f"{where} is no picture; use a PNG, JPEG, GIF or WebP file")
    return avatar


def _version(file: _File, avatar: Path | None) -> str:
    """Changes with what the file says and the picture shows, not with comments or layout."""
    digest = hashlib.blake2b(file.model_dump_json().encode(), digest_size=8)
    if avatar:
        digest.update(avatar.read_bytes())
    return digest.hexdigest()


def _check_unique(personas: Sequence[Persona], folder: Path) -> None:
    """Nobody could tell whom a message addresses that begins with a name of two."""
    owners: dict[str, PuppetId] = {}
    for persona in personas:
        for name in (persona.name, *persona.aliases):
            owner = owners.setdefault(_folded(name), persona.persona_id)
            if owner != persona.persona_id:
                raise ConfigError(
                    f"{folder}: {owner} and {persona.persona_id} both go by {name!r};"
                    " take it out of one of the two files (name or aliases)"
                )
    ids = [persona.persona_id for persona in personas]
    if twice := next((i for i in ids if ids.count(i) > 1), None):
        raise ConfigError(f"{folder}: {twice}.yaml and {twice}.yml are both there; remove one")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
